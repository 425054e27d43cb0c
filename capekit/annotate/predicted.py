"""Predictions as the page shows them, and what is still to be predicted: both are decided animal by animal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from capekit.annotate.project import Project, box_of, hidden_outside
from capekit.annotate.state import BY_HAND, State
from capekit.files import read_json
from capekit.labelling.boxes import iou
from capekit.labelling.consensus import SAME
from capekit.labelling.records import PosePrediction

RANDOM_SHARE = 0.1


def read_records(project: Project, kind: str) -> list[dict]:
    """The last predictions of a kind, 'try' or 'predict', in images that are still there, the worst first."""
    path = project.own / f'{kind}.json'
    sizes = project.check()[0]
    return [record for record in read_json(path) if record['image'] in sizes] if path.is_file() else []


def to_records(found: Sequence[PosePrediction], keypoints: Sequence[str], project: Project) -> list[dict]:
    """JSON-able predictions, the worst first, a fixed random tenth of them marked.

    Args:
        found: in the order of their ranks.
        keypoints: the ids that the model learned, in its order; those removed since are left out.
        project: whose animals keep their ids.
    """
    present = {item['id'] for item in project.state.keypoints}
    share = max(1, round(RANDOM_SHARE * len(found)))
    random = set(np.random.default_rng(0).permutation(len(found))[:share].tolist())
    names = {image: _free_ids(project.state, image) for image in {Path(one.image).name for one in found}}
    records = []
    for number, one in enumerate(found):
        image = Path(one.image).name
        shown = [(key, k) for k, key in enumerate(keypoints) if key in present and np.isfinite(one.points[k]).all()]
        points = {key: [*one.points[k].tolist(), 2] for key, k in shown}
        records.append(dict(
            image=image, animal=next(names[image]), box=one.box.tolist(), found=one.box_from, rank=one.rank,
            reason='; '.join(one.reasons), random=number in random,
            points=hidden_outside(points, project.size(image)),
            scores={key: float(one.scores[k]) for key, k in shown},
            errors={key: float(one.error[k]) for key, k in shown}))
    return records


def _free_ids(state: State, image: str) -> Iterator[str]:
    """Names of animals that the image does not have."""
    return (f'p{number}' for number in count(1) if f'p{number}' not in state.animals.get(image, {}))


def undecided(records: Iterable[dict], state: State) -> list[dict]:
    """The predictions of which no person has said anything, neither in the review nor by labelling.

    Points that are drawn or imported stand for the whole image, except where predictions are of boxes that were drawn.
    """
    return [record for record in records if record['animal'] not in state.decisions.get(record['image'], {})
            and (record['box'] in open_boxes(state, record['image']) if record['found'] == 'given'
                 else not labelled_by_hand(state, record['image']))]


def labelled_by_hand(state: State, image: str) -> bool:
    """Whether a person has looked at the whole image, not only at what was predicted in it."""
    return any(animal.origin in BY_HAND for animal in state.labelled(image))


def open_boxes(state: State, image: str) -> list[list[float]]:
    """Boxes that were drawn in an image, without those of animals that have points."""
    done = [animal.box for animal in state.labelled(image)]
    return [animal.box for animal in state.animals.get(image, {}).values()
            if animal.box and not animal.points and animal.box not in done]


def to_predict(names: Iterable[str], records: Iterable[dict], state: State) -> list[str]:
    """The images without labels, and those where an animal of the last predictions is still undecided."""
    halfway = {record['image'] for record in undecided(records, state)}
    return [name for name in names if not state.labelled(name) or name in halfway]


def unlabelled(found: Iterable[PosePrediction], project: Project) -> list[PosePrediction]:
    """The predictions that show no animal which is labelled already."""
    kept = []
    for one in found:
        image = Path(one.image).name
        size = project.size(image)
        boxes = [animal.box or box_of(np.array(list(animal.points.values()))[:, :2], size)
                 for animal in project.state.labelled(image)]
        if not boxes or (iou(one.box[None], np.array(boxes)) <= SAME).all():
            kept.append(one)
    return kept
