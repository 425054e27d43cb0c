"""How well few labelled images label the rest: copying, matching and adapting, with true, found and whole-image boxes.

    python tools/analysis/labelling.py ANNOTATIONS --images DIR --category fly_body --out work_dirs/labelling

Every draw of the supports is written to OUT when it is done, and not repeated; the table is printed from all of them.
The adapted networks are kept there: without the draws' .json files, they are measured again but not trained again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from tabulate import tabulate
from torch import Tensor

from capekit.apis import CapeInferencer
from capekit.choices import Count, Seed
from capekit.commands.arguments import Whole
from capekit.errors import CapekitError
from capekit.files import read_json, write_json
from capekit.interop import labels as label_files
from capekit.labelling import store
from capekit.labelling.adapted import Budget
from capekit.labelling.boxes import BoxFinder, iou
from capekit.labelling.calibration import Calibration
from capekit.labelling.lite import LiteFeatures
from capekit.labelling.matcher import FrozenModel
from capekit.labelling.poses import Poses
from capekit.labelling.predictor import Boxes, Predictor
from capekit.labelling.records import Labelled, PosePrediction, Support
from capekit.labelling.refine import Hull
from capekit.labelling.review import rank_worst_first, uncertainty
from capekit.labelling.sources import Picture
from capekit.labelling.supports import supports_of
from capekit.progress import track

COVERAGES = (1.0, 0.8, 0.6, 0.4, 0.2)
MODELS, BOXES, THRESHOLDS = ('copying', 'frozen', 'adapted'), ('true', 'find', 'whole'), (0.1, 0.2)
WORST = 0.2
"""Share of each keypoint's animals that a reviewer looks at."""


class CopyModel(FrozenModel):
    """Where the supports show the keypoints in their crops."""

    name = 'copying'

    def answer(self, crops: Tensor) -> tuple[np.ndarray, np.ndarray]:
        place = self.tensors['place'].double().cpu().numpy()
        return np.repeat(place[None], len(crops), 0), np.ones((len(crops), len(place)))


class OnceFinder(BoxFinder):
    """Looks at each image once for all models; every call must ask for the same number of boxes."""

    def __init__(self, device: str, features: LiteFeatures):
        super().__init__(device, features)
        self.known: dict[int, list] = {}

    def find(self, image: np.ndarray, count: int) -> list[tuple[np.ndarray, float]]:
        if id(image) not in self.known:
            self.known[id(image)] = super().find(image, count)
        return self.known[id(image)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', type=Path, help='COCO keypoint file')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR', help='that its file names are relative to')
    parser.add_argument('--category', required=True, metavar='NAME', help='of the file')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one file a draw')
    parser.add_argument('--shots', action=Whole, default=5, help='labelled images; default: 5')
    parser.add_argument('--draws', action=Whole, allowed=Seed, nargs='+', default=[0, 1, 2, 3, 4], metavar='SEED',
                        help='of the supports; default: 0 1 2 3 4')
    parser.add_argument('--boxes', nargs='*', choices=BOXES[1:], default=BOXES[1:],
                        help='beside the true ones; default: find whole')
    parser.add_argument('--steps', action=Whole, default=200, help='of adaptation; default: 200, a minute on two cores')
    parser.add_argument('--corrections', action=Whole, allowed=Count, default=0, metavar='N',
                        help='also correct the N animals that come first in the review list, adapt again with them, '
                             'and measure the rest before and after')
    args = parser.parse_args()
    everything = supports_of(label_files.read(args.annotations, 'coco', category=args.category), args.images)
    results, kinds = [], ('true', *args.boxes)
    for seed in args.draws:
        path = args.out / f'{args.category}_{args.shots}shot_{args.steps}steps_{seed}.json'
        known = read_json(path) if path.exists() else {}
        if any(f'copying/{kind}' not in known for kind in kinds):
            write_json(path, measure(everything, args.shots, args.steps, seed, kinds, args.corrections,
                                     path.with_suffix('.safetensors')))
            known = read_json(path)
        results.append(known)
    print(f'{args.category}: {args.shots} labelled images, {args.steps} steps, draws {args.draws}; mean, and standard '
          f'deviation over the draws\n\n{table(results, kinds)}\n\n{reviewed(results)}')


def draw_supports(everything: Labelled, shots: int, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the supports, and of the animals on all other images.

    Raises:
        CapekitError: there are too few.
    """
    if len(everything.supports) <= shots:
        raise CapekitError(f'{everything.category}: {len(everything.supports)} labelled animals; more than --shots '
                           f'{shots} are needed')
    order = np.random.default_rng([seed, 7]).permutation(len(everything.supports)).tolist()
    used = {everything.supports[i].name for i in order[:shots]}
    return order[:shots], [i for i in order[shots:] if everything.supports[i].name not in used]


def measure(everything: Labelled, shots: int, steps: int, seed: int, kinds: Sequence[str], corrections: int,
            kept: Path) -> dict:
    """One draw: PCK and error in pixels of every model and kind of box, and what a review list would catch.

    Args:
        everything: the labelled animals.
        shots: number of supports.
        steps: of adaptation.
        seed: of the draw and the adaptation.
        kinds: some of `BOXES`.
        corrections: animals to correct, 0 = none.
        kept: file of the adapted network, written if missing.
    """
    supports, queries = draw_supports(everything, shots, seed)
    labelled = everything.subset(supports)
    features = LiteFeatures()
    finder, hull, poses = OnceFinder('cpu', features), Hull.of(labelled), Poses.of(labelled)
    finder.fit(labelled, seed)
    inferencer = CapeInferencer()
    result: dict = dict(seed=seed, supports=[everything.supports[i].name for i in supports])
    models = dict(copying=CopyModel('cpu', features), frozen=FrozenModel('cpu', features),
                  adapted=inferencer.make_model(Budget(steps), seed))
    truths: dict[str, list[Support]] = {}
    for i in queries:
        truths.setdefault(everything.supports[i].name, []).append(everything.supports[i])
    for name, model in reversed(models.items()):
        if name == 'adapted' and kept.exists():
            model.restore(store.read_model(kept)[0], len(labelled.names))
        else:
            model.set_support(labelled)
        if name == 'adapted':
            store.write_model(kept, model.state(), {})
        predictor = Predictor(model, finder, hull, Calibration(), poses, batch_size=15)
        for kind in kinds:
            pairs = [pair for own in track(truths.values(), len(truths), f'{name}, {kind} boxes')
                     for pair in answer(predictor, own, kind)]
            result[f'{name}/{kind}'] = score(pairs)
            if (name, kind) == ('adapted', 'true'):
                result |= dict(review=caught(pairs), risk=risk(pairs))
                if corrections:
                    result['corrections'] = correct(everything, inferencer.make_model(Budget(steps), seed), pairs,
                                                    supports, queries, corrections)
    return result


def answer(predictor: Predictor, truths: list[Support], kind: str) -> list[tuple[PosePrediction, Support]]:
    """The animals of one image, each with its prediction."""
    picture = Picture(truths[0].name, None, truths[0].image)
    boxes: Boxes = {picture.name: [truth.box for truth in truths]} if kind == 'true' else kind
    (_, predictions), = next(predictor.predict([picture], boxes, len(truths)))
    if kind == 'whole':
        predictions = predictions * len(truths)
    overlap = iou(np.stack([p.box for p in predictions]), np.stack([truth.box for truth in truths]))
    matched = {int(j): int(i) for i, j in zip(*linear_sum_assignment(-overlap), strict=True)}
    # Where fewer were found than there are, the best one stands for the others.
    return [(predictions[matched.get(j, int(overlap[:, j].argmax()))], truth) for j, truth in enumerate(truths)]


def errors_of(pairs: list[tuple[PosePrediction, Support]]) -> np.ndarray:
    """(N, K) distances in longest sides of the true boxes, nan where not labelled or not predicted."""
    return np.stack([np.where(truth.visible, np.linalg.norm(p.points - truth.points, axis=1) / max(truth.box[2:]),
                              np.nan) for p, truth in pairs])


def score(pairs: list[tuple[PosePrediction, Support]]) -> dict[str, float]:
    """PCK, a mean over animals of means over keypoints, and the mean distance in pixels."""
    errors = errors_of(pairs)
    sides = np.array([max(truth.box[2:]) for _, truth in pairs])
    values = {f'PCK@{t}': np.nanmean([(row[np.isfinite(row)] < t).mean() for row in errors]) for t in THRESHOLDS}
    return {name: float(value) for name, value in values.items()} | dict(
        pixels=float(np.nanmean(errors * sides[:, None])))


def caught(pairs: list[tuple[PosePrediction, Support]]) -> dict[str, list[float]]:
    """Wrong points among each keypoint's most uncertain fifth, those that chance would find there, and all of them."""
    errors, values = errors_of(pairs), uncertainty([p for p, _ in pairs])
    result = {}
    for threshold in THRESHOLDS:
        found = chance = total = 0.0
        for error, value in zip(errors.T, values.T, strict=True):
            known = np.flatnonzero(np.isfinite(error))
            wrong = error[known] >= threshold
            listed = np.argsort(-value[known], kind='stable')[:max(1, round(WORST * len(known)))]
            found, total = found + wrong[listed].sum(), total + wrong.sum()
            chance += wrong.mean() * len(listed) if len(known) else 0
        result[str(threshold)] = [float(found), float(chance), float(total)]
    return result


def risk(pairs: list[tuple[PosePrediction, Support]]) -> list[float]:
    """Share of wrong points (PCK@0.2) among those with the least expected errors, at each of `COVERAGES`."""
    errors, values = errors_of(pairs), np.stack([p.spread for p, _ in pairs])
    known = np.isfinite(errors)
    wrong = (errors[known] >= THRESHOLDS[-1])[np.argsort(values[known], kind='stable')]
    return [float(wrong[:max(1, round(coverage * len(wrong)))].mean()) for coverage in COVERAGES]


def correct(everything: Labelled, model, pairs: list[tuple[PosePrediction, Support]],
            supports: list[int], queries: list[int], count: int) -> dict:
    """Scores of the animals that were not corrected, before and after a new `model` learns from those that were."""
    by_truth = {id(everything.supports[i]): i for i in queries}
    worst = {id(p) for p in rank_worst_first([p for p, _ in pairs])[:count]}
    corrected = [by_truth[id(truth)] for p, truth in pairs if id(p) in worst]
    rest = [(p, truth) for p, truth in pairs if id(p) not in worst]
    labelled = everything.subset(supports + corrected)
    model.set_support(labelled)
    predictor = Predictor(model, None, Hull.of(labelled), Calibration(), Poses.of(labelled), batch_size=15)
    after = [pair for _, truth in rest for pair in answer(predictor, [truth], 'true')]
    return dict(rest=len(rest), before=score(rest), after=score(after))


def table(results: list[dict], kinds: Sequence[str]) -> str:
    """Markdown: a line for each model and kind of box."""
    lines = []
    for name in MODELS:
        for kind in kinds:
            cells = []
            for metric in ('PCK@0.1', 'PCK@0.2', 'pixels'):
                values = np.array([result[f'{name}/{kind}'][metric] for result in results])
                factor, digits = (1, 1) if metric == 'pixels' else (100, 0)
                cells.append(f'{factor * values.mean():.{digits}f} ± {factor * values.std():.{digits}f}')
            lines.append([name, 'found' if kind == 'find' else kind, *cells])
    return tabulate(lines, ['model', 'boxes', 'PCK@0.1', 'PCK@0.2', 'error, px'], 'github')


def reviewed(results: list[dict]) -> str:
    """What the review list holds, risk against coverage, and what corrections teach, over all draws."""
    lines = []
    for threshold in THRESHOLDS:
        found, chance, total = np.sum([result['review'][str(threshold)] for result in results], 0)
        lines.append(f'wrong points (PCK@{threshold}) in the most uncertain fifth of each keypoint: {found:.0f} of '
                     f'{total:.0f}, {found / max(chance, 1e-9):.1f} times what chance gives')
    means = np.mean([result['risk'] for result in results], 0)
    lines.append('wrong points (PCK@0.2) among those with the least expected error: ' + ', '.join(
        f'{100 * mean:.0f} % of {100 * coverage:.0f} %' for coverage, mean in zip(COVERAGES, means, strict=True)))
    if pairs := [result['corrections'] for result in results if 'corrections' in result]:
        before, after = (100 * np.mean([pair[when]['PCK@0.2'] for pair in pairs]) for when in ('before', 'after'))
        lines.append(f'PCK@0.2 of the animals that were not corrected: {before:.0f} before, {after:.0f} after')
    return '\n'.join(lines)
