"""capekit's own CSV: one line per point, for R, Excel and pandas."""

import csv
import io
from itertools import groupby

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .format import BARE, EMPTY, ERRORS, FRAMES, NAMES, REVIEW, SCORES, SEVERAL, Format, number
from .labelset import Animal, LabelledImage, LabelSet

HEADER = ['image', 'animal', 'keypoint', 'x', 'y', 'score', 'error_px', 'status']
FRAME = 'frame'  # one more column, for videos


def read_csv(path: str) -> LabelSet:
    """A file that `write_csv` wrote. An animal whose name is a number has none.

    Args:
        path: the file.
    """
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CapekitError(f'cannot be read as CSV ({error})') from None
    if not lines or lines[0] not in (HEADER, [*HEADER, FRAME]):
        raise CapekitError(f'its first line is not {",".join(HEADER)}, with or without a last column {FRAME}')
    wrong = next((place for place, line in enumerate(lines, 1) if line and len(line) != len(lines[0])), None)
    if wrong is not None:
        raise CapekitError(f'line {wrong} has {len(lines[wrong - 1])} cells; expected {len(lines[0])}')
    records = [(place, dict(zip(lines[0], line, strict=True))) for place, line in enumerate(lines[1:], 2) if line]
    names = list(dict.fromkeys(record['keypoint'] for _, record in records if record['keypoint']))
    images: dict[tuple, LabelledImage] = {}
    for (file, frame, animal), group in groupby(records, lambda each: (
            each[1]['image'], each[1].get(FRAME, ''), each[1]['animal'])):
        if frame and not frame.isdecimal():
            raise CapekitError(f'{file}: frame {frame!r} is not a number')
        key = (file, int(frame) if frame else None)
        image = images.setdefault(key, LabelledImage(file, frame=key[1]))
        if animal:
            image.animals.append(_animal(list(group), names))
    return LabelSet(list(images.values()), names)


def _animal(records: list[tuple[int, dict]], names: list[str]) -> Animal:
    points = np.full((len(names), 2), np.nan)
    scores, errors = np.full((2, len(names)), np.nan)
    seen = set()
    for line, record in records:
        name = record['keypoint']
        if name in seen or not name:
            raise CapekitError(f"line {line}: keypoint {name!r} of animal {record['animal']!r} in {record['image']!r} "
                               'has a line already' if name else f'line {line}: no keypoint')
        seen.add(name)
        place = names.index(name)
        points[place] = [number(record[key], f'line {line}, {key}') for key in 'xy']
        scores[place] = number(record['score'], f'line {line}, score')
        errors[place] = number(record['error_px'], f'line {line}, error_px')
        if np.isnan(points[place]).sum() == 1:
            raise CapekitError(f'line {line}: only one of x and y')
    first = records[0][1]
    return Animal(points, scores=None if np.isnan(scores).all() else scores,
                  errors=None if np.isnan(errors).all() else errors,
                  name=None if first['animal'].isdecimal() else first['animal'], status=first['status'] or None)


def write_csv(path: str, labels: LabelSet) -> None:
    """Write one line per keypoint of every animal, without x and y where it is not labelled; animals without a name
    are numbered within their image. An image without animals has one line.

    Args:
        path: the file.
        labels: what to write.
    """
    video = any(image.frame is not None for image in labels.images)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow([*HEADER, *([FRAME] if video else [])])
    for image in labels.images:
        last = [] if not video else ['' if image.frame is None else image.frame]
        if not image.animals:
            writer.writerow([image.file, *[''] * (len(HEADER) - 1), *last])
        for place, animal in enumerate(image.animals, 1):
            name = animal.name
            if name is not None and (not name or name.isdecimal()):
                raise CapekitError(f'{path}: {image}: the animal name {name!r} would be read as a number')
            columns = zip(labels.keypoints, animal.points.tolist(), _cells(animal.scores, labels),
                          _cells(animal.errors, labels), strict=True)
            for keypoint, (x, y), score, error in columns:
                writer.writerow([image.file, place if name is None else name, keypoint, _cell(x), _cell(y), score,
                                 error, animal.status or '', *last])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def _cells(values: np.ndarray | None, labels: LabelSet) -> list[str]:
    return [''] * len(labels.keypoints) if values is None else [_cell(value) for value in values.tolist()]


def _cell(value: float) -> str:
    return '' if value != value else repr(value)


LONG_CSV = Format('csv', 'long CSV', read_csv, write_csv,
                  frozenset({SEVERAL, FRAMES, EMPTY, BARE, SCORES, ERRORS, NAMES, REVIEW}))
