"""An animal that several windows show is answered by all of them: few labels do not say which is best."""

from dataclasses import dataclass

import numpy as np

from capekit.labelling.boxes import iou

SAME = 0.5
"""Boxes that overlap more are of one animal."""
STEADY = 0.02
"""Added to the spread, in longest box sides, before weights are divided by it."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A box in an image, and what a model answers in it."""

    box: np.ndarray
    """(4,)."""
    box_score: float
    """Expected overlap with the true one of the window that led to it; 1 where the box was given."""
    points: np.ndarray
    """(K, 2) in pixels of the image."""
    scores: np.ndarray
    """(K,)."""
    spread: np.ndarray
    """(K,) in longest box sides."""


def agree(candidates: list[Answer], animals: int, seen: np.ndarray) -> list[Answer]:
    """The best candidates of different animals, each with the mean answer of those that look at the same animal.

    The best look most like an animal and have keypoints that the model is surest of. In a mean, those count more that
    do so and whose views agree.

    Args:
        candidates: of one image.
        animals: at most so many are returned, the best first.
        seen: (K,) bool, keypoints that count.
    """
    if not candidates:
        return []
    boxes = np.stack([one.box for one in candidates])
    value = np.array([one.box_score * one.scores[seen].mean() ** 2 for one in candidates])
    weight = value / np.array([np.median(one.spread[seen]) + STEADY for one in candidates])
    overlap = iou(boxes, boxes)
    best: list[int] = []
    for i in np.argsort(-value, kind='stable').tolist():
        if len(best) < animals and (overlap[i, best] <= SAME).all():
            best.append(i)
    # Each looks at the animal that it overlaps most, a chosen one at its own.
    shares = overlap[:, best]
    mine = (shares.argmax(1)[:, None] == np.arange(len(best))) & (shares > SAME)
    return [_mean([candidates[j] for j in np.flatnonzero(own)], weight[own], candidates[i])
            for i, own in zip(best, mine.T, strict=True)]


def _mean(candidates: list[Answer], weight: np.ndarray, chosen: Answer) -> Answer:
    """The chosen box with the weighted mean answer; its spread has that within and that between the candidates."""
    share = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
    side = max(chosen.box[2:])
    all_points = np.stack([one.points for one in candidates])
    points = np.tensordot(share, all_points, 1)
    within = np.stack([one.spread * max(one.box[2:]) / side for one in candidates])
    between = np.linalg.norm(all_points - points, axis=-1) / side
    return Answer(chosen.box, chosen.box_score, points, share @ np.stack([one.scores for one in candidates]),
                 np.sqrt(share @ (within ** 2 + between ** 2)))
