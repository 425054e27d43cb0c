"""Writes a generated data set in MP-100's format: annotation files, images, disjoint categories."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from capekit.errors import CapekitError
from capekit.files import PARTIAL, umask
from capekit.locks import Lock, remove_abandoned

from .categories import make_category, split_categories
from .pose import place, pose
from .processes import in_processes
from .render import Figure, draw_scene

LONG_SIDE, SHORTEST_SIDE = 192, 128
JPEG_QUALITY = 93
_LOCK = '.lock'
MIN_LABELLED = 3
"""An instance with fewer visible keypoints is posed anew."""


def write_dataset(out: str | os.PathLike, categories: int = 100, instances: int = 60, seed: int = 0,
                  workers: int = 2) -> dict:
    """Write `out/annotations/{train,val,test}.json` and `out/images/<category>/<n>.jpg`.

    Every file depends on (seed, category, instance) alone: the same bytes for any number of workers.

    Args:
        out: a folder that does not exist or is empty. Until everything is written, the data are in a hidden folder
            beside it.
        categories: in total; about 70 % train, 10 % val and 20 % test, with none in common.
        instances: images per category, one object each.
        seed: of all random choices.
        workers: number of processes.

    Returns:
        dict: for each of 'train', 'val', 'test' the numbers of `categories` and `instances`.

    Raises:
        CapekitError: `out` is in use or cannot be written, a process died, or there are too few categories or
            instances.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CapekitError(f'{out}: exists and is not empty; choose another folder, or delete it first')
    if instances < 1:
        raise CapekitError(f'instances={instances} must be 1 or more')
    splits = split_categories(categories)
    with _folder_until_whole(out) as partial_out:
        (partial_out / 'annotations').mkdir()
        work = partial(_write_category, folder=partial_out / 'images', instances=instances, seed=seed)
        records = in_processes(work, range(categories), workers)
        for name, places in splits.items():
            content = _annotation_file([records[index] for index in places])
            text = json.dumps(content, separators=(',', ':')) + '\n'
            (partial_out / 'annotations' / f'{name}.json').write_text(text)
    return {name: dict(categories=len(places), instances=len(places) * instances) for name, places in splits.items()}


@contextmanager
def _folder_until_whole(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that becomes `out` once the block ends without an error, and is removed otherwise.

    Those of killed processes are removed as well: they hold a lock file, which nothing else does.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(out.parent, f'.{glob.escape(out.name)}.*{PARTIAL}', _LOCK, shutil.rmtree)
    partial_out = Path(tempfile.mkdtemp(PARTIAL, f'.{out.name}.', out.parent))
    lock = Lock(partial_out / _LOCK, str(partial_out))
    try:
        yield partial_out
        (partial_out / _LOCK).unlink()
        partial_out.chmod(0o777 & ~umask())
        partial_out.rename(out)  # an empty folder is replaced
    except OSError as error:
        raise CapekitError(f'{error.filename or out}: cannot be written ({error.strerror})') from None
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)
        lock.release()


def _write_category(index: int, folder: Path, instances: int, seed: int) -> tuple:
    """Draw and write a category's images; returns its record and a list of (image, annotation) without ids."""
    category = make_category(seed, index)
    (folder / category.name).mkdir(parents=True)
    found = []
    for number in range(instances):
        image, box, area, keypoints = _draw_instance(category, np.random.default_rng([seed, index, number]))
        height, width = image.shape[:2]
        file_name = f'{category.name}/{number:04d}.jpg'
        _, data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        (folder / file_name).write_bytes(data.tobytes())  # unlike cv2.imwrite, it says when the disk is full
        found.append((dict(file_name=file_name, width=width, height=height),
                      dict(bbox=box, area=area, keypoints=keypoints.ravel().tolist(), iscrowd=0,
                           num_keypoints=int((keypoints[:, 2] > 0).sum()))))
    return category.record(), found


def _draw_instance(category, rng: np.random.Generator) -> tuple:
    """An image (H, W, 3) RGB, the object's box [x, y, w, h], area, keypoints (K, 3): x, y, v, zero where unseen."""
    while True:
        width, height = LONG_SIDE, int(rng.integers(SHORTEST_SIDE, LONG_SIDE + 1))
        if rng.random() < 0.5:
            width, height = height, width
        points, depth, roll = pose(category, rng)
        points, unit = place(points, 0.05, width, height, rng)
        figure = Figure(points, np.ones(len(points), bool), depth, unit, roll, category.appearance)
        scene = draw_scene(width, height, [figure], rng)
        seen = scene.visible[0]
        if seen.sum() >= MIN_LABELLED:
            break
    keypoints = np.zeros((len(seen), 3))
    keypoints[seen, :2] = np.round(points[:len(seen)][seen], 2)
    keypoints[seen, 2] = 2
    return scene.image, [float(value) for value in scene.boxes[0]], float(scene.areas[0]), keypoints


def _annotation_file(records: list) -> dict:
    """COCO keypoint content for some categories; ids are unique over all files."""
    content: dict[str, list] = dict(images=[], annotations=[], categories=[])
    for record, found in records:
        content['categories'].append(record)
        for number, (image, annotation) in enumerate(found):
            id_ = record['id'] * 100_000 + number
            content['images'].append(dict(image, id=id_))
            content['annotations'].append(dict(annotation, id=id_, image_id=id_, category_id=record['id']))
    return content
