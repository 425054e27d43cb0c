"""From labels and their images to supports."""

from pathlib import Path

import numpy as np

from capekit.datasets.coco import read_annotation_file
from capekit.datasets.crops import read_image
from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelSet, detect, read
from capekit.labelling.records import Labelled, Support

MARGIN = 0.1
"""Of a box made from points: each side moves out by this share of the longest side."""
UNSEEN = ('predicted', 'rejected')
"""States of review that make an animal no label of a person."""


def read_labelled(path: str | Path, images: str | Path, format: str | None = None) -> Labelled:
    """Every animal that a person has labelled in a label file; categories without labels may be in it.

    Args:
        path: a COCO keypoint file, a file of another tool (see `capekit.interop.labels`), a folder of labelme's, or a
            folder with one `CollectedData_*.csv` of DeepLabCut.
        images: folder that its file names are relative to; leading folders that are not there, such as DeepLabCut's
            `labeled-data/VIDEO`, do not count.
        format: of the file; None = what its content says.

    Raises:
        CapekitError: a broken file, a format that is not known, labels of several categories or of a video's frames, no
            label, an image that is missing or damaged.
    """
    path = label_file(path)
    format = _format(path) if format is None else format
    category = None
    if format == 'coco':
        content, _ = read_annotation_file(str(path))
        used = {record['category_id'] for record in content['annotations'] if any(record.get('keypoints') or ())}
        category = used.pop() if len(used) == 1 else None
    labels = read(path, format, **(dict(category=category) if category is not None else {}))
    for image in labels.images:
        image.file = _located(image.file, Path(images))
    labelled = supports_of(labels, images)
    if not labelled.supports:
        raise CapekitError(f'{path}: no labelled animal of category {labelled.category!r}')
    return labelled


def label_file(path: str | Path) -> Path:
    """The label file in a folder of DeepLabCut, which also holds its images; any other path as it is."""
    found = sorted(Path(path).glob('CollectedData_*.csv')) if Path(path).is_dir() else []
    return found[0] if len(found) == 1 else Path(path)


def _format(path: Path) -> str:
    try:
        return detect(path, '--labelled-format')
    except CapekitError:
        if path.suffix == '.json' or not path.exists():
            return 'coco'  # whose reader says what is wrong
        raise


def _located(file: str, images: Path) -> str:
    """The file name without the leading folders that `images` does not have; unchanged if it is not there either."""
    parts = Path(file).parts
    names = [Path(*parts[start:]).as_posix() for start in range(len(parts))]
    return next((name for name in names if (images / name).is_file()), file)


def supports_of(labels: LabelSet, images: str | Path) -> Labelled:
    """The animals with a labelled keypoint; predicted and rejected ones do not count.

    Args:
        labels: of one category. An animal without a box gets that of its points.
        images: folder of the images.

    Raises:
        CapekitError: an image that is missing or damaged, labels of a video's frame.
    """
    supports = []
    for image in labels.images:
        own = [animal for animal in image.animals if animal.labelled.any() and animal.status not in UNSEEN]
        if own and image.frame is not None:
            raise CapekitError(f'frame {image.frame} of {image.file} is labelled; only images can be learned from: '
                               'save the frame as one')
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
