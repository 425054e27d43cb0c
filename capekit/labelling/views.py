"""Answers for boxes of images: the plain crop, and how much other crops of the same box disagree."""

from collections.abc import Sequence

import numpy as np

from capekit.datasets.transforms import Geometry
from capekit.labelling.crops import PLAIN, cut, to_image, to_tensor

RECROPS = (Geometry(1.1, 8.0, (0.03, -0.03)), Geometry(0.92, -8.0, (-0.03, 0.03)),
           Geometry(1.0, 15.0, (-0.03, -0.03)), Geometry(1.05, -15.0, (0.03, 0.03)))
VIEWS = (PLAIN, *RECROPS)


def answer_boxes(model, wanted: Sequence[tuple[np.ndarray, np.ndarray]], batch_size: int) -> list[tuple]:
    """Predict the keypoints of boxes.

    Args:
        model: with `size` and `answer`.
        wanted: pairs of an image (H, W, 3) uint8 and a box (4,).
        batch_size: crops answered at once.

    Returns:
        for each pair: points (K, 2) in pixels of the image, scores (K,), spread (K,): root mean squared distance
        between the crops' answers and their median, in longest box sides.
    """
    points, scores = answer_views(model, [(*pair, view) for pair in wanted for view in VIEWS], batch_size)
    results = []
    for start, (_, box) in zip(range(0, len(points), len(VIEWS)), wanted, strict=True):
        own, confidence = np.stack(points[start:start + len(VIEWS)]), np.stack(scores[start:start + len(VIEWS)])
        middle = np.median(own, 0)
        spread = np.sqrt(((own - middle) ** 2).sum(-1).mean(0)) / max(box[2:])
        results.append((middle, confidence.mean(0), spread))
    return results


def answer_views(model, wanted: Sequence[tuple], batch_size: int) -> tuple[list, list]:
    """Points (K, 2) in pixels of the image and scores (K,) of each image, box and geometry."""
    points, scores = [], []
    for start in range(0, len(wanted), batch_size):
        drawn = [cut(image, box, model.size, view) for image, box, view in wanted[start:start + batch_size]]
        found, confidence = model.answer(to_tensor([crop for crop, _ in drawn]))
        points += [to_image(own, matrix, model.size) for own, (_, matrix) in zip(found, drawn, strict=True)]
        scores += list(confidence)
    return points, scores
