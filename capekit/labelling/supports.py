"""From labels and their images to supports."""

import logging
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from capekit.datasets.coco import read_annotation_file
from capekit.datasets.crops import read_image
from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelSet, detect, read
from capekit.labelling.records import Labelled, Support

MARGIN = 0.1
"""Of a box made from points: each side moves out by this share of the longest side."""
LEAST_BOX = 0.05
"""Its longest side is at least this share of the image's, as a single keypoint has no extent."""
LEAST_INSIDE = 0.01
"""A given box of which less than this share is in the image is an error."""
UNSEEN = ('predicted', 'rejected')
"""States of review that make an animal no label of a person."""


def read_labelled(path: str | Path, images: str | Path, format: str | None = None,
                  category: str | None = None) -> Labelled:
    """Every animal that a person has labelled in a label file; categories without labels may be in it.

    Args:
        path: a COCO keypoint file, a file of another tool (see `capekit.interop.labels`), a folder of labelme's, or a
            folder with one `CollectedData_*.csv` of DeepLabCut.
        images: folder that its file names are relative to; leading folders that are not there, such as DeepLabCut's
            `labeled-data/VIDEO`, do not count.
        format: of the file; None = what its content says.
        category: of a COCO file; None = the only one with labels.

    Raises:
        CapekitError: a broken file, a format that is not known, labels of several categories or of a video's frames, no
            label, an image that is missing, damaged or of another size than the file says, a box outside of its image.
    """
    path = label_file(path)
    format = _format(path) if format is None else format
    if format == 'coco' and category is None:
        content, _ = read_annotation_file(str(path))
        used = {record['category_id'] for record in content['annotations'] if any(record.get('keypoints') or ())}
        category = used.pop() if len(used) == 1 else None
    labels = read(path, format, **(dict(category=category) if category is not None else {}))
    unseen = sum(bool(animal.labelled.any()) and animal.status in UNSEEN for _, animal in labels.animals)
    left_out = (f"{unseen} animals that a model predicted and nobody accepted are left out; where 'review' has another "
                "'status', such as 'corrected', or is deleted, they count")
    originals: dict[str, str] = {}
    for image, name in zip(labels.images, located(labels, Path(images)), strict=True):
        if (other := originals.setdefault(name, image.file)) != image.file:
            raise CapekitError(f'{path}: {other} and {image.file} would both be {name} in {images}; give the folder '
                               'that both are in')
        image.file = name
    labelled = supports_of(labels, images)
    if not labelled.supports:
        raise CapekitError(f'{path}: no labelled animal of category {labelled.category!r}' + (
            f'; {left_out}' if unseen else ''))
    if unseen:
        print_log(f'{path}: {left_out}', 'current', logging.WARNING)
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


def located(labels: LabelSet, images: Path) -> list[str]:
    """The file name of each image of the labels without the leading folders that `images` does not have.

    Where `images` is one of those folders, only its own images are in it: one of another film that is called the same
    is another image, and keeps its name.
    """
    leadings = [_leading(image.file, images) or () for image in labels.images]
    own = {leading for leading in leadings if leading and images.resolve().parts[-len(leading):] == leading}
    return [Path(*Path(image.file).parts[len(leading):]).as_posix() if leading and (not own or leading in own)
            else image.file for image, leading in zip(labels.images, leadings, strict=True)]


def _leading(file: str, images: Path) -> tuple[str, ...] | None:
    """The folders before the part of a file name that is in `images`; None if no part is."""
    parts = Path(file).parts
    return next((parts[:start] for start in range(Path(file).is_absolute(), len(parts))
                 if (images / Path(*parts[start:])).is_file()), None)


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
            pixels = read_image(str(Path(images) / image.file), size=image.size)
            supports += [_support(str(image.file), pixels, animal) for animal in own]
    return Labelled(labels.category, tuple(labels.keypoints), labels.links, tuple(supports))


def _support(name: str, image: np.ndarray, animal: Animal) -> Support:
    visible = animal.labelled
    if animal.box is None or min(animal.box[2:]) == 0:
        box = box_of_points(animal.points[visible], LEAST_BOX * max(image.shape[:2]))
    else:
        box = animal.box
        check_inside(box, (image.shape[1], image.shape[0]), name)
    return Support(name, image, np.where(visible[:, None], animal.points, 0.0), visible, box)


def check_inside(box: np.ndarray, size: tuple[int, int], name: str) -> None:
    """Raise a CapekitError unless a box (4,) has positive sides and lies in an image of that width and height."""
    low, high = np.maximum(box[:2], -0.5), np.minimum(box[:2] + box[2:], np.array(size) - 0.5)
    if min(box[2:]) <= 0 or np.clip(high - low, 0, None).prod() < LEAST_INSIDE * box[2:].prod():
        raise CapekitError(f'{name}: box {np.asarray(box).tolist()} is not one of an animal in an image of {size[0]} x '
                           f'{size[1]} pixels; expected [x, y, width, height]')


def box_of_points(points: np.ndarray, least: float) -> np.ndarray:
    """(4,) box around points (N, 2) with their `MARGIN`, its longest side `least` pixels or more."""
    low, high = points.min(0), points.max(0)
    longest = (high - low).max()
    out = max(MARGIN * longest, (least - longest) / 2)
    return np.concatenate((low - out, high - low + 2 * out))
