"""One annotation record -> a box and keypoints, the reason why it does not count, or what is wrong with it.

Which annotations count, and how a box is clipped, are the rules of the released CAPE code, because the rows of the test
protocol, and with them every published number, depend on them.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from capekit.datasets.settings import ReadSettings

LARGEST = 1e9
"""No pixel coordinate or area is larger."""
NUMBERS = {int, float, type(None)}
"""Types in `keypoints`: null stands for the coordinates of an unlabelled one, true and false for nothing."""


class Fault(Exception):
    """What is wrong with a record and what would be right; the first argument is its kind."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def shown(value: Any) -> str:
    """A value as it stands in the file, cut to the length of a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f'{text[:80]}...'


def is_number(value: Any) -> bool:
    """A finite JSON number; true and false are none."""
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def clip_box(box: Sequence[float], width: int, height: int) -> np.ndarray | None:
    """(4,) float64 x, y, w, h inside an image of that size, or None where nothing is left.

    The release takes one pixel off each side, even of a box that lies wholly inside.
    """
    x, y, w, h = box
    x1, y1 = max(0, x), max(0, y)
    x2, y2 = min(width - 1, x1 + max(0, w - 1)), min(height - 1, y1 + max(0, h - 1))
    return np.array([x1, y1, x2 - x1, y2 - y1], dtype=np.float64) if x2 > x1 and y2 > y1 else None


def read_box(annotation: dict, settings: ReadSettings) -> list | None:
    """The stated box as x, y, w, h, or None where the annotation has none.

    Raises:
        Fault: not four finite numbers, or fractions of the image.
    """
    box = annotation.get('bbox')
    if box is None or box == []:
        return None
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise Fault('bbox', f'has bbox {shown(box)}; expected [x, y, width, height] in pixels')
    if max(box) <= 1 and min(box) >= 0 and min(box[2:]) > 0 and any(value % 1 for value in box):
        raise Fault('bbox', f'has bbox {shown(box)}, fractions of the image; expected [x, y, width, height] in pixels')
    if settings.box_format == 'xyxy':
        box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    return box


def skip_reason(annotation: dict, box: list | None, image: dict) -> str | None:
    """Why the protocol leaves an annotation out before its keypoints are read, or None.

    Raises:
        Fault: an `iscrowd`, `area` or `num_keypoints` of the wrong type.
    """
    crowd, area, labelled = (annotation.get(key) for key in ('iscrowd', 'area', 'num_keypoints'))
    if crowd not in (None, 0, 1) or type(crowd) is float:
        raise Fault('iscrowd', f'has iscrowd {shown(crowd)}; expected 0 or 1')
    if area is not None and not is_number(area):
        raise Fault('area', f'has area {shown(area)}; expected a number of pixels, or null')
    if labelled is not None and not (type(labelled) is int and labelled >= 0):
        raise Fault('num_keypoints', f'has num_keypoints {shown(labelled)}; expected a whole number, or null')
    if crowd:
        return 'crowd'
    if box is None:
        return 'no box'
    if area is not None and area <= 0:
        return 'area 0 or less'
    if min(box[2:]) <= 0:
        return 'box of width or height 0 or less'
    if clip_box(box, image['width'], image['height']) is None:
        return 'box empty inside the image, or thinner than two pixels'
    if annotation.get('keypoints') in (None, []):
        return 'no keypoints'
    return None


def read_keypoints(values: Any, count: int, settings: ReadSettings) -> np.ndarray:
    """(K, 3) float64 x, y, v of one annotation; v as in the file, x = y = 0 where an unlabelled one has no coordinates.

    Raises:
        Fault: not a flat list of 3 * count numbers, a visibility that is none, a labelled keypoint without coordinates.
    """
    expected = 'expected one flat list x1, y1, v1, x2, y2, v2, ...'
    if not isinstance(values, list):
        raise Fault('keypoints', f'has keypoints {shown(values)}; {expected}')
    kinds = set(map(type, values))
    if kinds & {list, dict}:
        raise Fault('keypoints', f'has keypoints in nested lists, {shown(values[0])} first; {expected}')
    if not kinds <= NUMBERS:
        odd = next(value for value in values if type(value) not in NUMBERS)
        raise Fault('keypoints', f'has the keypoint value {shown(odd)}; {expected} of numbers')
    if len(values) != 3 * count:
        pairs = ': x, y pairs without visibility?' if len(values) == 2 * count else ''
        raise Fault('length', f'has {len(values)} keypoint values; expected 3 * {count} = {3 * count}{pairs}')
    points = _array(values)
    x_y, v = points[:, :2], points[:, 2]
    placed = (np.abs(x_y) <= LARGEST).all(1)
    lost = ~np.isfinite(v) | (v > 0) & ~placed
    if lost.any():
        raise Fault('non-finite', f'has a non-finite keypoint, number {int(lost.argmax())} (from 0) with x, y, v = '
                                  f'{points[lost.argmax()].tolist()}; a labelled keypoint needs coordinates')
    known = (v == 0) | (v == 1) | (v == 2)
    if settings.visibility == 'coco' and not known.all():
        odd = int((~known).argmax())
        pairs = 'x, y pairs without visibility? ' if known.sum() * 2 <= count else ''
        raise Fault('visibility', f'has visibility {v[odd]:g} at keypoint {odd} (from 0); {pairs}expected 0, 1 or 2 '
                                  "(visibility='positive' takes all above 0 for labelled)")
    x_y[~placed] = 0
    return points


def _array(values: list) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64).reshape(-1, 3)  # null becomes nan
    except OverflowError:
        raise Fault('non-finite', 'has a non-finite keypoint: a whole number of hundreds of digits') from None
