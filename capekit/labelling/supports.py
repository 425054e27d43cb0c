"""From labels and their images to supports."""

from pathlib import Path

import numpy as np

from capekit.datasets.coco import read_annotation_file
from capekit.datasets.crops import read_image
from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelSet, read
from capekit.labelling.records import Labelled, Support

MARGIN = 0.1
"""Of a box made from points: each side moves out by this share of the longest side."""
UNSEEN = ('predicted', 'rejected')
"""States of review that make an animal no label of a person."""


def read_labelled(path: str | Path, images: str | Path) -> Labelled:
    """Every animal that a person has labelled in a COCO keypoint file; categories without labels may be in it.

    Args:
        path: of the file.
        images: folder that its file names are relative to.

    Raises:
        CapekitError: a broken file, labels of several categories, no label, an image that is missing or damaged.
    """
    content, _ = read_annotation_file(str(path))
    used = {record['category_id'] for record in content['annotations'] if any(record.get('keypoints') or ())}
    labelled = supports_of(read(path, 'coco', category=used.pop() if len(used) == 1 else None), images)
    if not labelled.supports:
        raise CapekitError(f'{path}: no labelled animal of category {labelled.category!r}')
    return labelled


def supports_of(labels: LabelSet, images: str | Path) -> Labelled:
    """The animals with a labelled keypoint; predicted and rejected ones do not count.

    Args:
        labels: of one category. An animal without a box gets that of its points.
        images: folder of the images.

    Raises:
        CapekitError: an image that is missing or damaged.
    """
    supports = []
    for image in labels.images:
        own = [animal for animal in image.animals if animal.labelled.any() and animal.status not in UNSEEN]
        if own:
            pixels = read_image(str(Path(images) / image.file))
            supports += [_support(str(image.file), pixels, animal) for animal in own]
    return Labelled(labels.category, tuple(labels.keypoints), labels.links, tuple(supports))


def _support(name: str, image: np.ndarray, animal: Animal) -> Support:
    visible = animal.labelled
    box = animal.box if animal.box is not None and max(animal.box[2:]) > 0 else box_of_points(animal.points[visible])
    return Support(name, image, np.where(visible[:, None], animal.points, 0.0), visible, box)


def box_of_points(points: np.ndarray, margin: float = MARGIN) -> np.ndarray:
    """(4,) box around points (N, 2), each side moved out by `margin` times the longest side, at least a pixel."""
    low, high = points.min(0), points.max(0)
    out = max(margin * (high - low).max(), 1.0)
    return np.concatenate((low - out, high - low + 2 * out))
