"""For formats that are lists of marks: single points and boxes, collected into animals, and names into an order."""

from typing import Any

import numpy as np

from capekit.errors import CapekitError

from .format import announce
from .labelset import ABSENT, Animal, LabelledImage, LabelSet

CATEGORY_KEY = 'category'
"""A key of capekit for the category of animals without boxes, for which labelme and Label Studio have no place."""


class _Group:
    def __init__(self):
        self.points: dict[str, tuple] = {}
        self.box: np.ndarray | None = None
        self.details: dict = {}


class MarkedImage:
    """The marks of one image, by animal."""

    def __init__(self, image: LabelledImage):
        self.image = image
        self.groups: dict[Any, _Group] = {}

    def point(self, group: Any, name: str, xy, visibility: int, where: str, score: float = np.nan) -> None:
        """Add a keypoint of the animal `group`.

        Raises:
            CapekitError: the animal has it already, or it has no coordinates; `where` begins the message.
        """
        points = self.groups.setdefault(group, _Group()).points
        if not isinstance(name, str):
            raise CapekitError(f'{where}: {name!r} is not a name')
        if name in points:
            raise CapekitError(f'{where}: a second {name!r} of the same animal in {self.image}; animals are told apart '
                               'by their group or box')
        if not np.isfinite(xy).all():
            raise CapekitError(f'{where}: {name!r} has no coordinates')
        points[name] = (xy, visibility, score)

    def box(self, group: Any, box: np.ndarray, where: str) -> None:
        """Set the box, (4,) x, y, w, h, of the animal `group`.

        Raises:
            CapekitError: it has one already.
        """
        entry = self.groups.setdefault(group, _Group())
        if entry.box is not None:
            raise CapekitError(f'{where}: a second box of the same animal in {self.image}')
        entry.box = box

    def details(self, group: Any, **details) -> None:
        """Set other fields of the `Animal`."""
        self.groups.setdefault(group, _Group()).details = details


class Marks:
    """The marks of all images. `keypoints` are the names in order, None the order of their first appearance."""

    def __init__(self, keypoints: list[str] | None):
        self.keypoints = keypoints
        self.images: list[MarkedImage] = []
        self.boxed: list[Any] = []
        """The category of each box."""
        self.stated: list[Any] = []
        """The category under `CATEGORY_KEY`, which counts where there are no boxes; what is no name counts nowhere."""

    def add_image(self, image: LabelledImage) -> MarkedImage:
        self.images.append(MarkedImage(image))
        return self.images[-1]

    def labels(self, path: str) -> LabelSet:
        """The labels; their category is 'animal' where the file gives none or several.

        Raises:
            CapekitError: a keypoint is not among the names that were given.
        """
        found = list(dict.fromkeys(name for image in self.images for group in image.groups.values()
                                   for name in group.points))
        names = found if self.keypoints is None else list(self.keypoints)
        unknown = [name for name in found if name not in names]
        if unknown:
            raise CapekitError(f'the keypoint {unknown[0]!r} is not among those given: {", ".join(names)}')
        if self.keypoints is None:
            announce(f'{path}: keypoints in the order of their first appearance, {", ".join(names)} (keypoints=, '
                     '--keypoints gives another)')
        categories = sorted({name for name in self.boxed or self.stated if isinstance(name, str) and name})
        if len(categories) > 1:
            announce(f"{path}: of several categories, {', '.join(categories)}; read as one, 'animal'")
        for marked in self.images:
            marked.image.animals = [_animal(group, names) for group in marked.groups.values()]
        return LabelSet([marked.image for marked in self.images], names,
                        category=categories[0] if len(categories) == 1 else 'animal')


def _animal(group: _Group, names: list[str]) -> Animal:
    points, visibility = np.full((len(names), 2), np.nan), np.full(len(names), ABSENT)
    scores = np.full(len(names), np.nan)
    for name, mark in group.points.items():
        place = names.index(name)
        points[place], visibility[place], scores[place] = mark
    return Animal(points, visibility, None if np.isnan(scores).all() else scores, box=group.box, **group.details)
