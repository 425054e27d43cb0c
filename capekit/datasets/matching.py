"""Images found by the boxes and keypoints on them, where their names have changed."""

import os
from collections.abc import Sequence

import numpy as np

from capekit.datasets.coco import read_annotation_file

SAME = 0.5
"""Pixels by which the same coordinate may differ between two files."""


class BoxIndex:
    """The boxes and keypoints of COCO keypoint files.

    Raises:
        CapekitError: a broken file.
    """

    def __init__(self, ann_files: Sequence[str | os.PathLike]):
        self.names: list[str] = []
        boxes, owners = [], []
        self.points: list[np.ndarray] = []
        for path in ann_files:
            content, _ = read_annotation_file(os.fspath(path))
            places = {}
            for image in content['images']:
                places[image['id']] = len(self.names)
                self.names.append(image['file_name'].replace('\\', '/'))
            for annotation in content['annotations']:
                if annotation.get('bbox') and annotation['image_id'] in places:
                    boxes.append(annotation['bbox'])
                    owners.append(places[annotation['image_id']])
                    self.points.append(_labelled(annotation))
        self.boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        self.owners = np.array(owners, dtype=np.int64)

    def files(self, annotations: Sequence[dict]) -> list[str]:
        """The images that have every one of the annotations: boxes first; if several, the keypoints decide."""
        by_box, by_points = set(range(len(self.names))), set(range(len(self.names)))
        for annotation in annotations:
            near = np.flatnonzero((np.abs(self.boxes - np.array(annotation['bbox'])) <= SAME).all(axis=1))
            by_box &= set(self.owners[near].tolist())
            points = _labelled(annotation)
            by_points &= {int(self.owners[place]) for place in near if _among(points, self.points[place])}
        return [self.names[place] for place in sorted(by_box if len(by_box) == 1 else by_box & by_points)]


def _labelled(annotation: dict) -> np.ndarray:
    """(N, 2) labelled keypoints."""
    triples = np.reshape(annotation.get('keypoints') or [], (-1, 3))
    return triples[triples[:, 2] > 0, :2]


def _among(points: np.ndarray, others: np.ndarray) -> bool:
    """Whether every point is near one of the others, whatever their order."""
    if not len(points) or not len(others):
        return not len(points)
    return bool((np.abs(points[:, None] - others[None]).max(2).min(1) <= SAME).all())
