"""`LabelSet`: the labels of one category in memory, the same whatever file they came from.

Pixels are capekit's: (0, 0) is the centre of an image's first pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, cast

import numpy as np

from capekit.errors import CapekitError

ABSENT, HIDDEN, VISIBLE = 0, 1, 2
LARGEST = 2 ** 31 - 1
"""No image side or frame number is larger."""


@dataclass(eq=False)
class Animal:
    """The labelled or predicted keypoints of one animal (or object) in one image.

    Lists are accepted wherever arrays are named.
    """

    points: np.ndarray
    """(K, 2) float64 x, y in pixels; NaN where a keypoint is not labelled."""
    visibility: np.ndarray = None  # type: ignore[assignment]  # an array from __post_init__ on
    """(K,) int64: 0 not labelled, 1 labelled but hidden, 2 visible. None stands for 2 wherever there is a point."""
    scores: np.ndarray | None = None
    """(K,) float64 confidences of a prediction, NaN where there is none; None for labels made by people."""
    errors: np.ndarray | None = None
    """(K,) float64 expected errors in pixels, NaN where unknown."""
    box: np.ndarray | None = None
    """(4,) float64 x, y, width, height in pixels."""
    score: float | None = None
    name: str | None = None
    """Who it is, the same in every image (DeepLabCut's individual, SLEAP's track)."""
    status: str | None = None
    """State of its review: 'predicted', 'accepted', 'corrected' or 'rejected'."""
    rank: int | None = None
    """Place in the list of what to review, 1 for the first."""

    def __post_init__(self):
        self.points = np.array(self.points, dtype=np.float64)
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise CapekitError(f'points have shape {self.points.shape}; expected (K, 2)')
        labelled = ~np.isnan(self.points).any(axis=1)
        if np.isinf(self.points).any():
            raise CapekitError('a point has infinite coordinates')
        if np.isnan(self.points[~labelled]).sum() < 2 * (~labelled).sum():
            raise CapekitError('a point has only one of x and y')
        self.points[~labelled] = np.nan
        given: Any = self.visibility
        self.visibility = self._per_keypoint(
            'visibility', np.where(labelled, VISIBLE, ABSENT) if given is None else given, np.int64)
        if not np.isin(self.visibility, (ABSENT, HIDDEN, VISIBLE)).all():
            raise CapekitError(f'visibility is {self.visibility.tolist()}; valid: 0, 1, 2')
        if ((self.visibility > ABSENT) != labelled).any():
            place = int(np.flatnonzero((self.visibility > ABSENT) != labelled)[0])
            raise CapekitError(f'keypoint {place} has visibility {self.visibility[place]} and the coordinates '
                               f'{self.points[place].tolist()}; only keypoints that are not labelled have NaN and 0')
        if self.scores is not None:
            self.scores = self._per_keypoint('scores', self.scores, np.float64)
        if self.errors is not None:
            self.errors = self._per_keypoint('errors', self.errors, np.float64)
        if self.box is not None:
            self.box = np.array(self.box, dtype=np.float64)
            if self.box.shape != (4,) or not np.isfinite(self.box).all():
                raise CapekitError(f'box is {self.box.tolist()}; expected x, y, width, height')
        for what, kind, expected in (('score', Real, 'a number'), ('name', str, 'text'), ('status', str, 'text'),
                                     ('rank', Integral, 'a whole number')):
            value = getattr(self, what)
            if value is not None and not isinstance(value, kind):
                raise CapekitError(f'{what} is {value!r}; expected {expected}')

    @property
    def labelled(self) -> np.ndarray:
        """(K,) bool: where there is a point."""
        return ~np.isnan(self.points[:, 0])

    def _per_keypoint(self, what: str, values, dtype) -> np.ndarray:
        values = np.array(values, dtype=dtype)
        if values.shape != (len(self.points),):
            raise CapekitError(f'{what} have shape {values.shape}; expected ({len(self.points)},), one per keypoint')
        if np.isinf(values).any():
            raise CapekitError(f'{what} are {values.tolist()}; expected finite numbers, or NaN')
        return values


@dataclass(eq=False)
class LabelledImage:
    """One image, or one frame of a video, and the animals in it; none where it was looked at and is empty."""

    file: str
    """Path with `/`, relative to the folder of the images; of a video's frame, the video's path."""
    size: tuple[int, int] | None = None
    """Width, height in pixels, None where the file of labels does not state it."""
    animals: list[Animal] = field(default_factory=list)
    frame: int | None = None
    """Number of the frame from 0, None for an image file."""

    def __post_init__(self):
        frame, size = cast(Any, self.frame), cast(Any, self.size)
        if frame is not None and not (isinstance(frame, (int, np.integer)) and 0 <= frame <= LARGEST):
            raise CapekitError(f'{self.file}: frame {frame!r} is not a whole number from 0')
        if size is not None:
            if not all(isinstance(side, (int, float, np.integer)) and 1 <= side <= LARGEST and side % 1 == 0
                       for side in size):
                raise CapekitError(f'{self}: its size is {size!r}; expected width and height in whole pixels')
            width, height = size
            self.size = int(width), int(height)

    @property
    def key(self) -> tuple[str, int | None]:
        return self.file, self.frame

    def add(self, points: np.ndarray, **fields: Any) -> None:
        """Append an `Animal` with these fields; what is wrong with it is said of this image."""
        try:
            self.animals.append(Animal(points, **fields))
        except CapekitError as error:
            raise CapekitError(f'{self}: {error}') from None

    def __str__(self) -> str:
        return self.file if self.frame is None else f'{self.file}, frame {self.frame}'


@dataclass(eq=False)
class LabelSet:
    """The labels of one category over many images.

    Raises:
        CapekitError: an image appears twice, keypoint names repeat, or an animal has another number of keypoints.
    """

    images: list[LabelledImage]
    keypoints: Sequence[str]
    """K names, in the order of every `points`."""
    links: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    """(E, 2) int64 zero-based pairs of keypoints."""
    category: str = 'animal'

    def __post_init__(self):
        self.keypoints = tuple(self.keypoints)
        self.links = np.array(self.links, dtype=np.int64).reshape(-1, 2)
        count = len(self.keypoints)
        repeated = [name for place, name in enumerate(self.keypoints) if name in self.keypoints[:place]]
        if repeated:
            raise CapekitError(f'the keypoint name {repeated[0]!r} appears twice')
        if len(self.links) and (self.links.min() < 0 or self.links.max() >= count):
            raise CapekitError(f'links go from {self.links.min()} to {self.links.max()}; expected 0 to {count - 1}')
        seen = set()
        for image in self.images:
            if image.key in seen:
                raise CapekitError(f'{image} appears twice')
            seen.add(image.key)
            for animal in image.animals:
                if len(animal.points) != count:
                    raise CapekitError(f'{image}: an animal has {len(animal.points)} keypoints; expected {count}')

    def __len__(self) -> int:
        return len(self.images)

    @property
    def animals(self) -> list[tuple[LabelledImage, Animal]]:
        """Every animal with its image, in the order of the images."""
        return [(image, animal) for image in self.images for animal in image.animals]
