"""Images drawn for annotation files whose real ones are missing.

An annotated object becomes limbs along its category's links and a look at every labelled keypoint: the same keypoint of
a category looks alike in every image. That is enough to run a config from end to end; numbers on them mean nothing.
"""

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from capekit.datasets.coco import Category, read_annotation_file
from capekit.datasets.reader import read
from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError
from capekit.files import atomic_write

from .appearance import SHAPES, Appearance, Part, choose_looks, choose_paints
from .categories import look_sizes
from .processes import in_processes
from .render import Figure, draw_scene
from .write import JPEG_QUALITY

DRAWN_SIDE = 320
"""Longest side at which an image is drawn, before it is resized to its recorded size."""
LIMB_WIDTH = 0.07


def render_from_annotations(ann_files: list, images: str | os.PathLike, seed: int = 0, workers: int = 2) -> dict:
    """Draw the missing images of annotation files at their recorded sizes and names.

    Args:
        ann_files: paths of files in MP-100's format.
        images: folder that `file_name` is relative to. Existing images are left as they are.
        seed: of all random choices.
        workers: number of processes.

    Returns:
        dict: numbers of images `written` and `kept`.

    Raises:
        CapekitError: a broken annotation file, or a file name that leads out of the folder.
    """
    paths = [str(path) for path in ann_files]
    reading = read(paths, ReadSettings())
    reading.findings.raise_problems()
    objects: dict[str, list] = {}
    for instance in reading.instances:
        objects.setdefault(instance.image_file, []).append(instance)
    records: dict[str, dict] = {}
    for path in paths:
        for image in read_annotation_file(path)[0]['images']:
            records.setdefault(image['file_name'], image)
    folder = Path(images)
    missing = [image for name, image in records.items() if not (folder / name).is_file()]
    looks = {id_: _appearance(category, seed) for id_, category in reading.categories.items()}
    jobs = [(image, [(looks[instance.category_id], instance) for instance in objects.get(image['file_name'], [])])
            for image in missing]
    in_processes(partial(_write_image, folder=folder, seed=seed), jobs, workers)
    return dict(written=len(missing), kept=len(records) - len(missing))


def _appearance(category: Category, seed: int) -> Appearance:
    """Looks by (seed, category, keypoint), limbs along the links."""
    rng = np.random.default_rng([seed, category.id])
    count = category.num_keypoints
    paints = choose_paints(rng, 2)
    sizes = look_sizes(count)
    looks = choose_looks(rng, [list(SHAPES)] * count, sizes, {paint.first for paint in paints}, {})
    width = min(LIMB_WIDTH, 0.6 * float(sizes[0])) if count else LIMB_WIDTH
    parts = tuple(Part((a, b), (width, width), n % 2) for n, (a, b) in enumerate(category.links.tolist()))
    return Appearance(parts, paints, looks)


def _write_image(job: tuple, folder: Path, seed: int) -> None:
    """Draw one image small, resize it to its recorded size, write it completely or not at all."""
    record, found = job
    width, height = record['width'], record['height']
    scale = min(1.0, DRAWN_SIDE / max(width, height))
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    figures = []
    for appearance, instance in found:
        points, present = instance.keypoints[:, :2] * scale, instance.keypoints[:, 2] > 0
        figures.append(Figure(points, present, np.zeros(len(present)), float(instance.bbox[2:].max()) * scale, 0.0,
                              appearance))
    # The category's looks stay the same; background, light and noise are the image's own.
    rng = np.random.default_rng([seed, *record['file_name'].encode()])
    image = draw_scene(*small, figures, rng, occluders=False).image
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    path = folder / record['file_name']
    whole, data = cv2.imencode(path.suffix.lower() or '.jpg', image[..., ::-1],
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not whole:
        raise CapekitError(f'{path}: OpenCV cannot write this kind of image')
    with atomic_write(path) as file:
        file.write(data.tobytes())
