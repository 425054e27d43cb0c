"""The table that DeepLabCut and Lightning Pose keep labels in, whatever the file: columns of `scorer, [individuals],
bodyparts, coords`, one row per image or video frame."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from capekit.errors import CapekitError

from .format import announce
from .labelset import Animal, LabelledImage, LabelSet

LEVELS = (['scorer', 'bodyparts', 'coords'], ['scorer', 'individuals', 'bodyparts', 'coords'])
UNIQUE = 'single'  # the individual of DeepLabCut's unique body parts
LABELLED_DATA = re.compile(r'labeled-data/[^/]+/[^/]+')


@dataclass(eq=False)
class Table:
    """Columns, rows and numbers."""

    columns: list[tuple[str, ...]]
    """Per column: scorer, individual (only if there are several), body part, coordinate."""
    rows: list[str | int]
    """Image paths, or numbers of frames."""
    values: np.ndarray
    """(rows, columns) float64, NaN where empty."""


def to_labels(path: str, table: Table, video: str | None) -> LabelSet:
    """The labels in a table; `video` is the video that its frames are of."""
    # Lightning Pose's last column says what an image was used for, and is not a number.
    columns = [(place, column) for place, column in enumerate(table.columns) if column[0] != 'set']
    scorers = list(dict.fromkeys(column[0] for _, column in columns))
    if len(scorers) != 1:
        raise CapekitError(f'the labels of several scorers, {", ".join(scorers)}, in one file; expected one')
    found: dict[str, dict[tuple[str, str], int]] = {}
    for place, column in columns:
        individual = column[1] if len(column) == 4 else ''
        key = (column[-2], column[-1])
        if key in found.setdefault(individual, {}):
            raise CapekitError(f'the column {", ".join(column)} appears twice')
        found[individual][key] = place
    unique = found.pop(UNIQUE, {}) if len(found) > 1 else {}
    if unique:
        announce(f'{path}: the unique body parts {", ".join(dict.fromkeys(part for part, _ in unique))} belong to no '
                 'animal; left out')
    parts = list(dict.fromkeys(part for keys in found.values() for part, _ in keys))
    for individual, keys in found.items():
        for part in parts:
            for coord in 'xy':
                if (part, coord) not in keys:
                    raise CapekitError(f'no column for {coord} of body part {part!r}'
                                       + (f' of individual {individual!r}' if individual else ''))
    if not parts:
        raise CapekitError('no body parts')

    frames = bool(table.rows) and isinstance(table.rows[0], int)
    if video is not None and not frames:
        raise CapekitError('its rows are images, so that video= (--video) does nothing here; leave it out')
    images = []
    for row, values in zip(table.rows, table.values, strict=True):
        image = LabelledImage(video or _video_of(path, scorers[0]), frame=row) if isinstance(row, int) \
            else LabelledImage(row)
        for individual, keys in found.items():
            points = np.array([[values[keys[part, coord]] for coord in 'xy'] for part in parts])
            half = np.isnan(points).sum(1) == 1
            if half.any():
                raise CapekitError(f'{image}: {parts[int(half.argmax())]!r} has only one of x and y')
            if np.isnan(points).all():
                continue
            scores = np.array([values[keys[part, 'likelihood']] if (part, 'likelihood') in keys else np.nan
                               for part in parts])
            image.animals.append(Animal(points, scores=None if np.isnan(scores).all() else scores,
                                        name=individual or None))
        images.append(image)
    return LabelSet(images, parts)


def _video_of(path: str, scorer: str) -> str:
    """DeepLabCut names its predictions after the video and the scorer."""
    name = re.split(r'[/\\]', path)[-1]
    return name.rsplit('.', 1)[0].removesuffix('_filtered').removesuffix(scorer) or name


def to_table(path: str, labels: LabelSet, scorer: str, folder: str | None, likelihood: bool,
             individuals: list[str] | None) -> Table:
    """The table of the labels.

    Args:
        path: the file, for messages.
        labels: what it holds.
        scorer: first row of the header.
        folder: put before the name of every image.
        likelihood: with a column of keypoint scores beside x and y.
        individuals: one group of columns for each, from `individuals_of`; None for the layout without.

    Raises:
        CapekitError: no keypoints, frames of several videos, or frames and images.
    """
    if not labels.keypoints:
        raise CapekitError(f'{path}: the labels have no keypoints, and the columns of this format are keypoints')
    videos = {image.file for image in labels.images if image.frame is not None}
    if videos and (len(videos) > 1 or any(image.frame is None for image in labels.images)):
        raise CapekitError(f'{path}: one table is of the frames of one video or of images; the labels are of '
                           f'{len(labels.images)} images and frames of {len(videos)} videos, such as {min(videos)}')
    coords = ['x', 'y', 'likelihood'] if likelihood else ['x', 'y']
    columns = [(scorer, *([] if individuals is None else [individual]), part, coord)
               for individual in individuals or [''] for part in labels.keypoints for coord in coords]
    images: list[LabelledImage]
    if videos:
        # Readers of predictions count the rows: every frame has one.
        given = {image.frame: image for image in labels.images}
        video, last = min(videos), max(frame for frame in given if frame is not None)
        images = [given.get(frame) or LabelledImage(video, frame=frame) for frame in range(last + 1)]
        rows: list[Any] = [image.frame for image in images]
    else:
        images = labels.images
        rows = [f'{folder.rstrip("/")}/{image.file}' if folder else image.file for image in images]
        outside = next((row for row in rows if not LABELLED_DATA.fullmatch(row)), None)
        if outside is not None:
            announce(f"{path}: DeepLabCut expects names such as labeled-data/VIDEO/{rows[0].split('/')[-1]}; "
                     f'{outside} is written as it is (folder=, --folder labeled-data/VIDEO puts them there)')
    slots = animal_slots(labels, individuals)
    values = np.full((len(images), len(columns)), np.nan)
    width = len(coords) * len(labels.keypoints)
    for row, image in enumerate(images):
        for place, animal in slots(image):
            scores = np.full(len(animal.points), np.nan) if animal.scores is None else animal.scores
            values[row, place * width:(place + 1) * width] = np.column_stack(
                [animal.points, *([scores] if likelihood else [])]).ravel()
    return Table(columns, rows, values)


def individuals_of(path: str, labels: LabelSet) -> list[str] | None:
    """Names of DeepLabCut's individuals, or None where there is never more than one animal and none has a name.

    Animals without a name take the free ones of `individual1`, `individual2`, ..., in their order within the image.

    Raises:
        CapekitError: two animals of an image have the same name.
    """
    names = list(dict.fromkeys(animal.name for _, animal in labels.animals if animal.name is not None))
    if not names and all(len(image.animals) <= 1 for image in labels.images):
        return None
    if UNIQUE in names:
        raise CapekitError(f'{path}: an animal is called {UNIQUE!r}, as DeepLabCut calls what belongs to no animal')
    unnamed = 0
    for image in labels.images:
        given = [animal.name for animal in image.animals if animal.name is not None]
        if len(set(given)) < len(given):
            raise CapekitError(f'{path}: {image}: two animals have one name, {", ".join(map(repr, given))}')
        unnamed = max(unnamed, len(image.animals) - len(given))
    if unnamed:
        announce(f'{path}: animals without a name become individual1, individual2, ... in their order in each image; '
                 'that says nothing about who is who')
    numbered = [f'individual{number}' for number in range(1, len(names) + unnamed + 1)]
    return names + [name for name in numbered if name not in names][:unnamed]


def animal_slots(labels: LabelSet, individuals: list[str] | None) -> Callable[[LabelledImage], list]:
    """A function that gives the animals of an image with their places among the individuals, from `individuals_of`."""
    named = {animal.name for _, animal in labels.animals}
    free = [place for place, name in enumerate(individuals or ['']) if name not in named]

    def slots(image: LabelledImage) -> list[tuple[int, Animal]]:
        unnamed = iter(free)
        return [(0 if individuals is None else next(unnamed) if animal.name is None else individuals.index(animal.name),
                 animal) for animal in image.animals]
    return slots
