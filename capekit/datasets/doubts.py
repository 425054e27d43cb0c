"""Annotations that are fine one by one and doubtful together: repeated ones, boxes or points in other units."""

import os
from collections.abc import Sequence

import numpy as np

from capekit.datasets.coco import RawInstance
from capekit.datasets.settings import Findings, ReadSettings

SLACK = 2
"""Pixels by which sound boxes and points may miss what they should lie in."""
LEAVING = 0.1
"""Boxes read rightly leave their image in fewer cases: at most 2 % in any category of MP-100."""
CORNERS = 0.9
"""Boxes read rightly look like corners in fewer cases: at most 30 % in any file of MP-100."""
ENOUGH = 8
"""Boxes that look like corners without leaving their image make a case from this number on."""


def count_once(instances: Sequence[RawInstance], findings: Findings) -> list[RawInstance]:
    """Leave out the repetitions of an annotation, which could be their own support.

    An id that stands in two files counts once if it is the same annotation, as in MP-100's files; otherwise it is a
    problem. One annotation under two ids, or twice in a file, counts once.
    """
    by_id: dict[tuple, tuple] = {}
    by_content: dict[tuple, RawInstance] = {}
    kept, repeated = [], []
    for instance in instances:
        content = _content(instance)
        first, known = by_id.setdefault((instance.category_id, instance.annotation_id), (instance, content))
        if first is not instance and known != content:
            where = 'the same file' if first.ann_file == instance.ann_file else first.ann_file
            findings.problem(f'{instance} ({instance.image_file}) has the id of another annotation in {where} '
                             f'({first.image_file}); give each its own id', instance.ann_file, 'ids restart')
            continue
        if first is not instance and first.ann_file != instance.ann_file:
            continue
        twin = by_content.setdefault(content, instance)
        if twin is instance:
            kept.append(instance)
        else:
            repeated.append(f'{instance} repeats annotation {twin.annotation_id}')
    if repeated:
        findings.note(f'{len(repeated)} annotation(s) repeat another one, with the same image, category and '
                      f'keypoints, and are left out; first: {repeated[0]}')
    return kept


def _content(instance: RawInstance) -> tuple:
    # One point may be two objects' by chance; several may not, whatever their boxes.
    box = instance.bbox.tobytes() if len(instance.labelled) < 2 else b''
    return os.path.normpath(instance.image_file), instance.category_id, instance.keypoints.tobytes(), box


def check_plausible(name: str, instances: Sequence[RawInstance], settings: ReadSettings, findings: Findings):
    """Look for normalised coordinates, boxes given as corners and keypoints off their boxes in one category.

    Args:
        name: of the category, for messages.
        instances: of that category.
        settings: `box_format` other than 'auto' settles what boxes are.
        findings: is told.
    """
    if not instances:
        return
    spans = np.array([[*instance.labelled.min(0), *instance.labelled.max(0)] for instance in instances])
    several = np.array([len(instance.labelled) > 1 for instance in instances])
    sizes = np.array([instance.image_size for instance in instances])
    boxes = np.array([instance.box for instance in instances], dtype=np.float64)
    fractions = (spans[:, :2].min(1) >= 0) & (spans[:, 2:].max(1) <= 1) & (boxes[:, 2:].max(1) > 4)
    if (fractions & several).any() or fractions.all() and len(fractions) > 1:
        first = instances[int(fractions.argmax())]
        findings.problem(f'{first}: all labelled keypoints of {name} lie within 0 and 1, in {fractions.sum()} of '
                         f'{len(instances)} annotations: fractions of the image? expected pixels')
        return
    if settings.box_format == 'auto' and (corners := _corners(boxes, spans, sizes)) is not None:
        leaving, place = corners
        findings.problem(f'{instances[place]}: the boxes of {name} look like corners, first {instances[place].box}: '
                         f'{leaving} of {len(instances)} leave their image as x, y, width, height; set '
                         "box_format='xyxy' if they are x1, y1, x2, y2, else box_format='xywh'")
        return
    off = np.array([not _any_inside(instance) for instance in instances])
    if off.any():
        first = instances[int(off.argmax())]
        line = (f'{first}: no labelled keypoint lies in its box, in {off.sum()} of {len(instances)} annotations of '
                f'{name}')
        if off.sum() > 1 and off.mean() >= 0.5:
            findings.problem(f'{line}; expected boxes and keypoints in pixels of the same image')
        else:
            findings.note(line)


def _corners(boxes: np.ndarray, spans: np.ndarray, sizes: np.ndarray) -> tuple[int, int] | None:
    """How many (N, 4) boxes leave their image, and the first that does, if they look like x1, y1, x2, y2; or None."""
    leaves = (boxes[:, :2] + boxes[:, 2:] > sizes + SLACK).any(1)
    fits = ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + SLACK) & (boxes[:, :2] >= -SLACK)
            & (spans[:, :2] >= boxes[:, :2] - SLACK) & (spans[:, 2:] <= boxes[:, 2:] + SLACK)).all(1)
    # A box at the image's origin is nearly the same either way.
    told = (boxes[:, :2] > 0.05 * boxes[:, 2:]).any(1)
    many = leaves.mean() >= LEAVING and (fits & leaves).sum() >= CORNERS * leaves.sum()
    all_fit = told.sum() >= ENOUGH and fits[told].mean() >= CORNERS and fits.mean() >= CORNERS
    if not many and not all_fit:
        return None
    return int(leaves.sum()), int((leaves if leaves.any() else told).argmax())


def _any_inside(instance: RawInstance) -> bool:
    x, y, w, h = instance.bbox
    points = instance.labelled
    return bool(((points >= (x - SLACK, y - SLACK)) & (points <= (x + w + SLACK, y + h + SLACK))).all(1).any())
