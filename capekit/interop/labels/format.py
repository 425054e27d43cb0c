"""What a file format of labels is to the rest: a reader, a writer, and what it can hold beside names and points."""

import importlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.logging import print_log

from capekit.errors import CapekitError

from .labelset import HIDDEN, LabelSet

# What a `LabelSet` can have beside keypoint names and points, as it is called in messages and in the docs. Without a
# place for the first two a file cannot be written; the others are left out, and that is announced.
SEVERAL, FRAMES = 'images with several animals', 'frames of a video'
EMPTY, BARE, HIDE, SCORES, SCORE, ERRORS = (
    'images without animals', 'animals without keypoints or box', 'hidden flags', 'keypoint scores', 'animal scores',
    'expected errors')
BOXES, LINKS, NAMES, SIZES, REVIEW, CATEGORY = ('boxes', 'links', 'animal names', 'image sizes', 'review states',
                                                'category name')
PARTS = (SEVERAL, FRAMES, EMPTY, BARE, HIDE, SCORES, SCORE, ERRORS, BOXES, LINKS, NAMES, SIZES, REVIEW, CATEGORY)


@dataclass(frozen=True)
class Format:
    """One format. `read(path, images, ...)` and `write(path, labels, ...)` take its own options by keyword."""

    name: str
    title: str
    read: Callable[..., LabelSet]
    write: Callable[..., None]
    holds: frozenset[str]
    """Those of `PARTS` that the format has a place for."""
    files: Callable[[str, LabelSet], list[str]] = lambda path, labels: [path]
    """`files(path, labels)`: what `write` will write."""
    libraries: tuple[str, ...] = ()
    """Optional ones that reading and writing need."""


def count_parts(labels: LabelSet) -> dict[str, int]:
    """How often each of `PARTS` occurs in the labels; those that do not are absent."""
    animals = [animal for _, animal in labels.animals]

    def numbers(values: Iterable[np.ndarray | None]) -> int:
        return sum(int(np.count_nonzero(~np.isnan(value))) for value in values if value is not None)

    counts = {
        SEVERAL: sum(len(image.animals) > 1 for image in labels.images),
        FRAMES: sum(image.frame is not None for image in labels.images),
        EMPTY: sum(not image.animals for image in labels.images),
        BARE: sum(animal.box is None and not animal.labelled.any() for animal in animals),
        HIDE: sum(int((animal.visibility == HIDDEN).sum()) for animal in animals),
        SCORES: numbers(animal.scores for animal in animals),
        SCORE: sum(animal.score is not None for animal in animals),
        ERRORS: numbers(animal.errors for animal in animals),
        BOXES: sum(animal.box is not None for animal in animals),
        LINKS: len(labels.links),
        NAMES: sum(animal.name is not None for animal in animals),
        SIZES: sum(image.size is not None for image in labels.images),
        REVIEW: sum(animal.status is not None or animal.rank is not None for animal in animals),
        CATEGORY: int(labels.category != 'animal')}
    return {part: count for part, count in counts.items() if count}


def check_losses(path: str, labels: LabelSet, format: Format) -> None:
    """Announce what the format has no place for.

    Raises:
        CapekitError: it has no place for several animals in an image, or for frames of a video.
    """
    lost = {part: count for part, count in count_parts(labels).items() if part not in format.holds}
    for part in (SEVERAL, FRAMES):
        if part in lost:
            raise CapekitError(f'{path}: {format.name} has no place for {part}, and the labels have {lost[part]}')
    if lost:
        announce(f'{path}: {format.name} has no place for ' + ', '.join(
            f'{part} ({count})' for part, count in lost.items()) + '; left out')


def announce(line: str) -> None:
    """Say what a file loses, or what was taken for granted."""
    print_log(line, 'current', logging.WARNING)


def number(value: Any, where: str) -> float:
    """A finite number, or NaN for an empty cell or null.

    Raises:
        CapekitError: anything else; `where` begins the message.
    """
    if value is None or isinstance(value, str) and value.strip().lower() in ('', 'nan'):
        return float('nan')
    try:
        result = float('x' if isinstance(value, bool) or '_' in str(value) else value)
    except (TypeError, ValueError, OverflowError):
        raise CapekitError(f'{where}: {value!r} is not a number') from None
    if np.isinf(result):
        raise CapekitError(f'{where}: {value!r} is not a finite number')
    return result


def whole_number(text: str) -> int | None:
    """7 of '7', and of '7.0', as programs write it in a column with empty cells; None of a name."""
    found = re.fullmatch(r'(\d+)(\.0+)?', text)
    return int(found[1]) if found else None


def library(name: str) -> Any:
    """An optional library.

    Raises:
        CapekitError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise CapekitError(f'{name} is not installed and this format needs it; fix: pip install {name}') from None
