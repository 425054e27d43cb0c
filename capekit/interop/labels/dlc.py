"""CSV files of DeepLabCut and of Lightning Pose, which keeps the same table with one column of image names."""

import csv
import io
from dataclasses import replace
from itertools import takewhile

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .dlc_table import LABELLED_DATA, LEVELS, Table, individuals_of, to_labels, to_table
from .format import EMPTY, FRAMES, NAMES, SCORES, SEVERAL, Format, announce, number, whole_number
from .labelset import LabelSet


def read_dlc(path: str, *, video: str | None = None) -> LabelSet:
    """Labels (`CollectedData_<scorer>.csv`) or predictions of DeepLabCut or Lightning Pose, of one animal or several.

    Args:
        path: the file.
        video: the video that the frames of predictions are of; None is the name that the file has from it.
    """
    return to_labels(path, _read_table(path), video)


def _read_table(path: str) -> Table:
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CapekitError(f'cannot be read as CSV ({error})') from None
    firsts = [line[0] if line else '' for line in lines[:4]]
    levels = next((levels for levels in LEVELS if firsts[:len(levels)] == levels), None)
    if levels is None:
        raise CapekitError(f'the first cells of its lines are {", ".join(map(repr, firsts))}; expected scorer, '
                           '[individuals], bodyparts, coords, and commas between cells')
    # One column of image names or frame numbers; from DeepLabCut 2.2 three, for the parts of the name.
    index = 1 + len(list(takewhile(lambda cell: not cell, lines[0][1:])))
    if index == len(lines[0]):
        raise CapekitError('no body parts')
    if index not in (1, 3):
        raise CapekitError(f'{index} columns before the first body part; expected 1 or 3')
    wrong = next((line for line in lines[:len(levels)] if len(line) != len(lines[0])), None)
    if wrong is not None:
        raise CapekitError(f'the header {wrong[0]} has {len(wrong)} cells; expected {len(lines[0])}')
    header, body = lines[:len(levels)], [(place, line) for place, line in enumerate(lines, 1) if any(line)]
    values = []
    rows: list[str] = []
    for place, line in body[len(levels):]:
        if len(line) != len(lines[0]):
            raise CapekitError(f'line {place} has {len(line)} cells; expected {len(lines[0])}')
        if not all(line[:index]):
            raise CapekitError(f'line {place}: no image or frame')
        rows.append('/'.join(cell.replace('\\', '/') for cell in line[:index]))
        # The cells of Lightning Pose's column `set` are words.
        values.append([number(cell, f'line {place}, column {column}') if header[0][column - 1] != 'set' else np.nan
                       for column, cell in enumerate(line[index:], index + 1)])
    columns = list(zip(*(line[index:] for line in header), strict=True))
    frames = [frame for row in rows if (frame := whole_number(row)) is not None]
    return Table(columns, [*frames] if len(frames) == len(rows) else [*rows],
                 np.array(values, dtype=np.float64).reshape(-1, len(columns)))


def write_dlc(path: str, labels: LabelSet, *, scorer: str = 'capekit', folder: str | None = None,
              likelihood: bool = False, numbered: bool = False) -> None:
    """Labels of images as DeepLabCut keeps them, or predictions for a video: one row for every frame.

    Args:
        path: the file; in a DeepLabCut project, `labeled-data/<video>/CollectedData_<scorer>.csv`.
        labels: what to write.
        scorer: first row of the header.
        folder: put before every image name, so that it becomes `labeled-data/<video>/<image>`.
        likelihood: a column of scores for images too; DeepLabCut's own labels have none.
        numbered: rows with the numbers of the images from 0, like the frames of a video; movement reads no others.
    """
    if numbered:
        labels = _numbered(path, labels)
    table = to_table(path, labels, scorer, folder, likelihood_wanted(path, labels, likelihood),
                     individuals_of(path, labels))
    # DeepLabCut splits names into three columns where all have three parts.
    split = all(isinstance(row, str) and LABELLED_DATA.fullmatch(row) for row in table.rows)
    _write_table(path, table, 3 if split else 1)


def _numbered(path: str, labels: LabelSet) -> LabelSet:
    if any(image.frame is not None for image in labels.images):
        raise CapekitError(f'{path}: the labels are of frames, so that numbered= (--numbered) does nothing here; leave '
                           'it out')
    announce(f'{path}: rows are numbered in the order of the images; their names are left out')
    images = [replace(image, file='images', frame=place) for place, image in enumerate(labels.images)]
    return LabelSet(images, labels.keypoints, labels.links, labels.category)


def write_lp(path: str, labels: LabelSet, *, scorer: str = 'capekit', folder: str | None = None,
             likelihood: bool = False) -> None:
    """Labels or predictions as Lightning Pose keeps them: one animal, one column of image names.

    The arguments are those of `write_dlc`.
    """
    _write_table(path, to_table(path, labels, scorer, folder, likelihood_wanted(path, labels, likelihood), None), 1)


def likelihood_wanted(path: str, labels: LabelSet, wanted: bool) -> bool:
    """Whether scores have a column: always for frames, where wanted for images."""
    if wanted or any(image.frame is not None for image in labels.images):
        return True
    count = sum(int((~np.isnan(animal.scores)).sum()) for _, animal in labels.animals if animal.scores is not None)
    if count:
        announce(f'{path}: labels of images have no scores ({count}); left out (likelihood=True, --likelihood keeps '
                 'them)')
    return False


def _write_table(path: str, table: Table, index: int) -> None:
    """Write the CSV file with 1 or 3 columns of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    levels = LEVELS[len(table.columns[0]) == 4]
    for level, cells in zip(levels, zip(*table.columns, strict=True), strict=True):
        writer.writerow([level, *[''] * (index - 1), *cells])
    for row, values in zip(table.rows, table.values.tolist(), strict=True):
        writer.writerow([*(str(row).split('/') if index == 3 else [row]),
                         *('' if value != value else repr(value) for value in values)])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


HELD = frozenset({FRAMES, EMPTY, SCORES})
DLC = Format('dlc', 'DeepLabCut CSV', read_dlc, write_dlc, HELD | {SEVERAL, NAMES})
LP = Format('lp', 'Lightning Pose CSV', read_dlc, write_lp, HELD)
