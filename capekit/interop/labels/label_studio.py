"""Label Studio JSON: keypoints in per cent of the image, told apart by the rectangle that they belong to."""

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from capekit.errors import CapekitError
from capekit.files import read_json, write_json

from .format import BOXES, CATEGORY, EMPTY, SCORE, SCORES, SEVERAL, SIZES, Format, announce, number
from .grouping import CATEGORY_KEY, MarkedImage, Marks
from .labelset import VISIBLE, LabelledImage, LabelSet
from .sizes import box_around, needed_size

PREFIX = '/data/local-files/?d='
_POINT_WIDTH = 0.5


def read_label_studio(path: str, *, keypoints: list[str] | None = None) -> LabelSet:
    """A JSON export. Of a task with several annotations the last one that was not cancelled counts; predictions count
    where there is none. Points belong to the rectangle that a relation names, else to the nearest one.

    Args:
        path: the file.
        keypoints: their names, in order; None is the order of their first appearance.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise CapekitError("not an export of Label Studio, which is a list of tasks")
    marks, others = Marks(keypoints), 0
    for place, task in enumerate(tasks):
        where = f'task {task["id"] if isinstance(task, dict) and "id" in task else place}'
        if not isinstance(task, dict) or not isinstance(task.get('data'), dict):
            raise CapekitError(f"{where} has no 'data'")
        answers = _answers(task)
        others += max(len(answers) - 1, 0)
        items, score = _items(answers, where)
        image = marks.add_image(LabelledImage(_file(task['data'], where), _size(items, where)))
        marks.stated.append(task['data'].get(CATEGORY_KEY))
        marks.boxed += _add(image, items, score, where)
    if others:
        announce(f'{path}: {others} more annotations of the same tasks are left out; the last of each counts')
    return marks.labels(path)


def _answers(task: dict) -> list[dict]:
    """The annotations that were not cancelled, else the predictions."""
    made = task.get('annotations') or task.get('completions') or []  # `completions` in old exports
    return [answer for answer in made if not answer.get('was_cancelled')] or task.get('predictions') or []


def _items(answers: list[dict], where: str) -> tuple[list[dict], float | None]:
    """The items of the answer that counts, and its score."""
    if not answers:
        return [], None
    items, score = answers[-1].get('result'), answers[-1].get('score')
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CapekitError(f"{where}: an answer has no list 'result'")
    return items, None if score is None else number(score, where)


def _file(data: dict, where: str) -> str:
    """The image's path: what Label Studio put before it is taken off."""
    address = data.get('image')
    if not isinstance(address, str):
        raise CapekitError(f"{where}: its 'data' has no 'image', and the keys {', '.join(data)}")
    parts = urlsplit(address)
    if parts.path.endswith('/local-files/'):
        return parse_qs(parts.query).get('d', [''])[0]
    if parts.scheme or address.startswith('/'):
        return unquote(parts.path).removeprefix('/data/').lstrip('/')
    return address


def _size(items: list[dict], where: str) -> tuple[int, int] | None:
    sizes = {(item['original_width'], item['original_height']) for item in items
             if {'original_width', 'original_height'} <= item.keys()}
    if len(sizes) > 1:
        raise CapekitError(f'{where}: its items have different image sizes, {sorted(sizes)}')
    return sizes.pop() if sizes else None


def _add(image: MarkedImage, items: list[dict], score: float | None, where: str) -> list[str]:
    """Add the items of a task; returns the names of its rectangles. The score of all is that of the only animal."""
    if any(item.get('image_rotation') for item in items):
        raise CapekitError(f'{where}: its image was rotated in Label Studio; rotate it back and export again')
    boxes: dict[Any, dict] = {}
    points: dict[Any, dict] = {}
    owner: dict[Any, Any] = {}
    for place, item in enumerate(items):
        if item.get('type') == 'keypointlabels':
            points[item.get('id', place)] = item
        elif item.get('type') == 'rectanglelabels':
            boxes[item.get('id', place)] = item
        elif item.get('type') == 'relation':
            owner |= {item.get('from_id'): item.get('to_id'), item.get('to_id'): item.get('from_id')}
    areas = {}
    for key, item in boxes.items():
        areas[key] = _pixels(item, where, 'x', 'y', 'width', 'height')
        image.box(key, areas[key], where)
        if 'score' in item:
            image.details(key, score=number(item['score'], where))
    if points and not boxes and score is not None:
        image.details(None, score=score)
    for key, item in points.items():
        xy = _pixels(item, where, 'x', 'y')
        group = owner.get(key, item.get('parentID'))
        if group not in boxes:
            group = min(areas, key=lambda box: _distance(xy, areas[box]), default=None)
        name = _label(item, 'keypointlabels', where)
        image.point(group, name, xy, VISIBLE, where, number(item.get('score'), where))
    return [_label(item, 'rectanglelabels', where) for item in boxes.values()]


def _pixels(item: dict, where: str, *keys: str) -> np.ndarray:
    """Values in per cent -> pixels."""
    try:
        width, height = item['original_width'], item['original_height']
        return np.array([number(item['value'][key], where) * (width if key in ('x', 'width') else height) / 100
                         for key in keys])
    except (KeyError, TypeError) as error:
        raise CapekitError(f'{where}: an item is incomplete ({error})') from None


def _label(item: dict, key: str, where: str) -> str:
    labels = item['value'].get(key)
    if not isinstance(labels, list) or len(labels) != 1:
        raise CapekitError(f'{where}: an item has {key} {labels!r}; expected one name')
    return labels[0]


def _distance(xy: np.ndarray, box: np.ndarray) -> tuple[float, float]:
    """From the box, 0 inside; then from its centre."""
    outside = np.maximum(np.maximum(box[:2] - xy, xy - box[:2] - box[2:]), 0)
    return float(np.hypot(*outside)), float(np.hypot(*(xy - box[:2] - box[2:] / 2)))


def write_label_studio(path: str, labels: LabelSet, *, prefix: str = PREFIX) -> None:
    """Write tasks to import: annotations, or predictions for images with scores. In images with several animals, each
    is a rectangle that its keypoints are related to.

    Args:
        path: the file.
        labels: what to write.
        prefix: put before every image name, which is quoted as part of an address; '' leaves names as they are.
    """
    made = 0
    tasks = []
    for number_, image in enumerate(labels.images, 1):
        several = len(image.animals) > 1
        made += sum(several and animal.box is None for animal in image.animals)
        predicted = any(animal.scores is not None or animal.score is not None for animal in image.animals)
        result = _result(image, labels, f'{number_}', several) if image.animals else []
        scores = [animal.score for animal in image.animals if animal.score is not None]
        answer: dict[str, Any] = dict(result=result) | (
            dict(model_version='capekit', **(dict(score=min(scores)) if scores else {})) if predicted else {})
        data = {'image': prefix + quote(image.file) if prefix else image.file, CATEGORY_KEY: labels.category}
        tasks.append(dict(data=data, annotations=[] if predicted else [answer],
                          predictions=[answer] if predicted else []))
    if made:
        announce(f'{path}: {made} animals have no box; written with one around their keypoints')
    write_json(path, tasks)


def _result(image: LabelledImage, labels: LabelSet, task: str, several: bool) -> list[dict]:
    width, height = needed_size(image)
    shared = dict(to_name='image', original_width=width, original_height=height, image_rotation=0)
    items: list[dict] = []
    for place, animal in enumerate(image.animals):
        owner = f'{task}-{place}'
        box = box_around(animal, (width, height)) if several and animal.box is None else animal.box
        if box is not None:
            x, y, w, h = (100 * box / (width, height, width, height)).tolist()
            items.append(dict(id=owner, type='rectanglelabels', from_name='box', **shared,
                              value=dict(x=x, y=y, width=w, height=h, rectanglelabels=[labels.category]))
                         | ({} if animal.score is None else dict(score=animal.score)))
        for keypoint in np.flatnonzero(animal.labelled).tolist():
            x, y = (100 * animal.points[keypoint] / (width, height)).tolist()
            score = np.nan if animal.scores is None else float(animal.scores[keypoint])
            items.append(dict(id=f'{owner}-{keypoint}', type='keypointlabels', from_name='kp', **shared,
                              value=dict(x=x, y=y, width=_POINT_WIDTH, keypointlabels=[labels.keypoints[keypoint]]))
                         | ({} if np.isnan(score) else dict(score=score)))
            if several:
                items.append(dict(type='relation', from_id=f'{owner}-{keypoint}', to_id=owner, direction='right'))
    return items


LABEL_STUDIO = Format('label-studio', 'Label Studio JSON', read_label_studio, write_label_studio,
                      frozenset({SEVERAL, EMPTY, SCORES, SCORE, BOXES, SIZES, CATEGORY}))
