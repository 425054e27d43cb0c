"""Small data sets in MP-100's format for tests, with images where a test needs them."""

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 80, 60


def content(categories=((1, 'cup', 3), (2, 'bird', 4)), per_category: int = 4, seed: int = 0) -> dict:
    """A COCO keypoint file as a dict: one image per instance, boxes inside the image, some keypoints unlabelled."""
    rng = np.random.default_rng(seed)
    data = dict(images=[], annotations=[], categories=[])
    for id_, name, count in categories:
        data['categories'].append(dict(id=id_, name=name, supercategory='thing',
                                       keypoints=[f'point {k}' for k in range(count)],
                                       skeleton=[[k, k + 1] for k in range(count - 1)]))
        for n in range(per_category):
            number = 100 * id_ + n
            x, y = rng.uniform(2, 20, 2)
            w, h = rng.uniform(20, 35, 2)
            points = np.column_stack([rng.uniform(x, x + w, count), rng.uniform(y, y + h, count), np.full(count, 2)])
            points[rng.random(count) < 0.2] = 0
            points[0, 2] = 2
            points[0, :2] = x + 1, y + 1
            data['images'].append(dict(id=number, file_name=f'{name}/{n}.jpg', width=WIDTH, height=HEIGHT))
            data['annotations'].append(dict(id=number, image_id=number, category_id=id_, bbox=[x, y, w, h], area=w * h,
                                            iscrowd=0, num_keypoints=int((points[:, 2] > 0).sum()),
                                            keypoints=points.ravel().tolist()))
    return data


def write(path: Path, data: dict) -> Path:
    """Write the annotation file; returns its path."""
    path.write_text(json.dumps(data))
    return path


def write_images(folder: Path, data: dict) -> Path:
    """Write a JPEG of noise for every image of the file."""
    for number, image in enumerate(data['images']):
        path = folder / image['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (image['height'], image['width'], 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), pixels)
    return folder
