"""Small images of a made-up animal, with labels: for tests of labelling."""

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 160, 120
POINTS = np.array([[0.0, -1.0], [-0.6, 0.4], [0.6, 0.4], [0.0, 0.9]])
COLOURS = ((230, 60, 60), (60, 220, 60), (60, 80, 240), (230, 220, 60))
NAMES = ['nose', 'left', 'right', 'tail']


def draw(rng: np.random.Generator, size: float = 22) -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, 3) uint8 RGB with a body and four coloured dots, and the dots' positions (4, 2)."""
    image = rng.integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    angle = rng.uniform(-0.4, 0.4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = rng.uniform((45, 40), (WIDTH - 45, HEIGHT - 40))
    points = center + size * POINTS @ turn.T
    cv2.fillPoly(image, [points[[0, 2, 3, 1]].round().astype(np.int32)], (250, 250, 250))
    for point, colour in zip(points, COLOURS, strict=True):
        cv2.circle(image, tuple(int(value) for value in point.round()), 4, colour, -1)
    return image, points.round()


def write_animals(folder: Path, count: int = 9, labelled: int = 4, seed: int = 0) -> tuple[Path, Path, dict]:
    """Images 0.png, 1.png, ... in `folder`/images, and labels of the first ones.

    Returns:
        the COCO file, the folder of the images, and {file name: points (4, 2)} of all.
    """
    rng = np.random.default_rng(seed)
    images = folder / 'images'
    images.mkdir(parents=True)
    truth = {}
    for number in range(count):
        image, points = draw(rng)
        cv2.imwrite(str(images / f'{number}.png'), image[..., ::-1])
        truth[f'{number}.png'] = points
    path = folder / 'labelled.json'
    path.write_text(json.dumps(coco(dict(list(truth.items())[:labelled]))))
    return path, images, truth


def coco(points: dict) -> dict:
    """A COCO keypoint file of one animal an image; a row of nan is not labelled."""
    annotations = []
    for number, own in enumerate(points.values(), 1):
        shown = np.isfinite(own).all(1)
        low, high = own[shown].min(0), own[shown].max(0)
        triples = np.column_stack((np.where(shown[:, None], own, 0), 2 * shown))
        annotations.append(dict(id=number, image_id=number, category_id=1, iscrowd=0, num_keypoints=int(shown.sum()),
                                bbox=[*(low - 3).tolist(), *(high - low + 6).tolist()], area=1.0,
                                keypoints=triples.ravel().tolist()))
    return dict(images=[dict(id=number, file_name=name, width=WIDTH, height=HEIGHT)
                        for number, name in enumerate(points, 1)],
                annotations=annotations,
                categories=[dict(id=1, name='kite', keypoints=NAMES, skeleton=[[0, 1], [0, 2], [1, 3], [2, 3]])])


def boxes(points: dict) -> dict:
    """{file name: [[x, y, w, h]]} around all points."""
    return {name: [[*(own.min(0) - 3).tolist(), *(np.ptp(own, axis=0) + 6).tolist()]] for name, own in points.items()}
