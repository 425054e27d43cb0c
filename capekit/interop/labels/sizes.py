"""Image sizes that a file of labels needs but does not state, and boxes around keypoints where it has none."""

import os

import numpy as np

from capekit.datasets.image_size import image_size
from capekit.errors import CapekitError

from .labelset import Animal, LabelledImage, LabelSet


def fill_sizes(labels: LabelSet, folder: str) -> None:
    """Set the sizes that are None, from the image files in a folder; frames of videos are left as they are.

    Raises:
        CapekitError: an image is missing or cannot be read.
    """
    for image in labels.images:
        if image.size is None and image.frame is None:
            image.size = image_size(os.path.join(folder, image.file))


def needed_size(image: LabelledImage) -> tuple[int, int]:
    """The size of an image.

    Raises:
        CapekitError: it is unknown.
    """
    if image.size is None:
        raise CapekitError(f'{image}: its size is not known and this format needs it; give the folder of the images '
                           '(images=, --images DIR)')
    return image.size


def box_around(animal: Animal, size: tuple[int, int], margin: float = 0.1) -> np.ndarray:
    """(4,) float64 x, y, w, h around the labelled points, grown on each side by a part of its longer side and cut off
    at the image; the whole image where there are not two different points."""
    width, height = size
    points = animal.points[animal.labelled]
    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(2), np.zeros(2))
    grow = margin * (high - low).max()
    low, high = np.maximum(low - grow, 0), np.minimum(high + grow, (width - 1, height - 1))
    if grow <= 0 or (high <= low).any():
        return np.array([0, 0, width, height], dtype=np.float64)
    return np.concatenate([low, high - low])
