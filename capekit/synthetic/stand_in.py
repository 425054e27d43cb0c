"""Images drawn for annotation files whose real ones are missing.

An annotated object becomes limbs along its category's links and a look at every labelled keypoint: the same keypoint of
a category looks alike in every image. That is enough to run a config from end to end; numbers on them mean nothing.
"""

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from capekit.datasets.coco import clip_box, join_categories, leads_out, read_annotation_file, size_fault
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
        CapekitError: a broken annotation file, or a file name that is absolute or leaves the folder.
    """
    paths = [str(path) for path in ann_files]
    files = [read_annotation_file(path)[0] for path in paths]
    categories = join_categories(paths, files)
    objects: dict[str, dict] = {}
    records: dict[str, dict] = {}
    for path, content in zip(paths, files, strict=True):
        names = {image['id']: image['file_name'] for image in content['images']}
        for image in content['images']:
            if leads_out(image['file_name']):
                raise CapekitError(f"{path}: file name {image['file_name']!r} leads out of the image folder")
            if fault := size_fault(image):
                raise CapekitError(f'{path}: image {fault}')
            records.setdefault(image['file_name'], image)
        for annotation in content['annotations']:
            if annotation.get('keypoints') and annotation['image_id'] in names:
                objects.setdefault(names[annotation['image_id']], {})[annotation['id']] = annotation
    folder = Path(images)
    missing = [image for name, image in records.items() if not (folder / name).is_file()]
    looks = {id_: _appearance(record, objects, seed) for id_, record in categories.items()}
    jobs = [(image, [(looks[a['category_id']], a) for a in objects.get(image['file_name'], {}).values()])
            for image in missing]
    in_processes(partial(_write_image, folder=folder, seed=seed), jobs, workers)
    return dict(written=len(missing), kept=len(records) - len(missing))


def _appearance(record: dict, objects: dict, seed: int) -> Appearance:
    """Looks by (seed, category, keypoint), limbs along the links."""
    rng = np.random.default_rng([seed, record['id']])
    count = max([len(record.get('keypoints', ())), *(len(a['keypoints']) // 3 for found in objects.values()
                                                     for a in found.values() if a['category_id'] == record['id'])])
    paints = choose_paints(rng, 2)
    sizes = look_sizes(count)
    looks = choose_looks(rng, [list(SHAPES)] * count, sizes, {paint.first for paint in paints}, {})
    width = min(LIMB_WIDTH, 0.6 * float(sizes[0])) if count else LIMB_WIDTH
    parts = tuple(Part((a, b), (width, width), n % 2) for n, (a, b) in enumerate(record.get('skeleton') or ())
                  if 0 <= a < count and 0 <= b < count)
    return Appearance(parts, paints, looks)


def _write_image(job: tuple, folder: Path, seed: int) -> None:
    """Draw one image small, resize it to its recorded size, write it completely or not at all."""
    record, found = job
    width, height = record['width'], record['height']
    scale = min(1.0, DRAWN_SIDE / max(width, height))
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    figures = []
    for appearance, annotation in found:
        keypoints = np.reshape(annotation['keypoints'], (-1, 3))
        box = clip_box(annotation['bbox'], width, height) if annotation.get('bbox') else None
        present = np.zeros(len(appearance.looks), bool)
        present[:len(keypoints)] = keypoints[:, 2] > 0
        if box is None or not present.any():
            continue
        points = np.zeros((len(present), 2))
        points[:len(keypoints)] = keypoints[:, :2] * scale
        figures.append(Figure(points, present, np.zeros(len(present)), float(box[2:].max()) * scale, 0.0, appearance))
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
