"""capekit's own CSV: one line per point, for R, Excel and pandas."""

import csv
import io

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .format import BARE, EMPTY, ERRORS, FRAMES, NAMES, REVIEW, SCORES, SEVERAL, Format, number, whole_number
from .labelset import Animal, LabelledImage, LabelSet

HEADER = ['image', 'animal', 'keypoint', 'x', 'y', 'score', 'error_px', 'status']
FRAME = 'frame'  # one more column, for videos


def read_csv(path: str) -> LabelSet:
    """A file that `write_csv` wrote, its lines in any order. An animal whose name is a number has none.

    Args:
        path: the file.
    """
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CapekitError(f'cannot be read as CSV ({error})') from None
    if not lines or lines[0] not in (HEADER, [*HEADER, FRAME]):
        raise CapekitError(f'its first line is not {",".join(HEADER)}, and {FRAME} for videos, with commas')
    records = [(place, line) for place, line in enumerate(lines[1:], 2) if any(line)]
    wrong = next(((place, line) for place, line in records if len(line) != len(lines[0])), None)
    if wrong is not None:
        raise CapekitError(f'line {wrong[0]} has {len(wrong[1])} cells; expected {len(lines[0])}')
    names: dict[str, int] = {}
    images: dict[tuple, LabelledImage] = {}
    animals: dict[tuple, list[tuple[int, dict]]] = {}
    # Programs sort lines as they like: those of an animal need not follow each other.
    for place, line in records:
        record = dict(zip(lines[0], line, strict=True))
        key = (record['image'], _frame(record.get(FRAME, ''), place))
        images.setdefault(key, LabelledImage(key[0], frame=key[1]))
        if any(record[column] for column in HEADER[1:]):
            missing = next((column for column in HEADER[:3] if not record[column]), None)
            if missing is not None:
                raise CapekitError(f'line {place}: no {missing}')
            names.setdefault(record['keypoint'], len(names))
            animal = whole_number(record['animal'])
            animals.setdefault((key, record['animal'] if animal is None else animal), []).append((place, record))
    for (key, _), own in animals.items():
        images[key].animals.append(_animal(own, names))
    return LabelSet(list(images.values()), list(names))


def _frame(text: str, line: int) -> int | None:
    frame = whole_number(text)
    if text and frame is None:
        raise CapekitError(f'line {line}: frame {text!r} is not a whole number')
    return frame


def _animal(records: list[tuple[int, dict]], names: dict[str, int]) -> Animal:
    points = np.full((len(names), 2), np.nan)
    scores, errors = np.full((2, len(names)), np.nan)
    first, seen = records[0][1], set()
    for line, record in records:
        name, whose = record['keypoint'], f"animal {record['animal']!r} in {record['image']!r}"
        if name in seen:
            raise CapekitError(f'line {line}: keypoint {name!r} of {whose} has a line already')
        seen.add(name)
        if record['status'] != first['status']:
            raise CapekitError(f"line {line}: {whose} is {record['status']!r} here and {first['status']!r} before")
        place = names[name]
        points[place] = [number(record[key], f'line {line}, {key}') for key in 'xy']
        scores[place] = number(record['score'], f'line {line}, score')
        errors[place] = number(record['error_px'], f'line {line}, error_px')
        if np.isnan(points[place]).sum() == 1:
            raise CapekitError(f'line {line}: only one of x and y')
    return Animal(points, scores=None if np.isnan(scores).all() else scores,
                  errors=None if np.isnan(errors).all() else errors,
                  name=None if whole_number(first['animal']) is not None else first['animal'],
                  status=first['status'] or None)


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
            if name is not None and (not name or whole_number(name) is not None):
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
