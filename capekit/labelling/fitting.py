"""How well supports are answered that a model has not seen, keypoint by keypoint."""

from collections.abc import Callable

import numpy as np
from scipy.stats import t as student

from capekit.labelling.records import KeypointReport, Labelled
from capekit.labelling.views import answer_boxes

FOLDS = 5
"""Supports are left out one by one, or in so many groups if there are more."""


def groups(labelled: Labelled) -> list[list[int]]:
    """The supports that are left out together: those of one image always are; empty where nothing can be left out."""
    files = list(dict.fromkeys(support.name for support in labelled.supports))
    count = min(len(files), FOLDS)
    if count < 2:
        return []
    return [[i for i, support in enumerate(labelled.supports) if files.index(support.name) % count == group]
            for group in range(count)]


def leave_out(make_model: Callable, labelled: Labelled, batch_size: int,
              progress: Callable[[float], None]) -> tuple[np.ndarray, np.ndarray]:
    """Train without each group of supports and answer it.

    Args:
        make_model: returns a new model; it is given the other supports.
        labelled: S supports, K keypoints.
        batch_size: crops answered at once.
        progress: is called with the share that is done.

    Returns:
        spreads and errors (S, K) in longest box sides, nan where a support, or all others, do not show the keypoint.
    """
    count = len(labelled.supports)
    spreads, errors = (np.full((count, len(labelled.names)), np.nan) for _ in range(2))
    left_out = groups(labelled)
    for number, group in enumerate(left_out):
        others = labelled.subset([i for i in range(count) if i not in group])
        model = make_model()
        model.set_support(others, lambda share, number=number: progress((number + share) / len(left_out)))
        own = [labelled.supports[i] for i in group]
        answers = answer_boxes(model, [(support.image, support.box) for support in own], batch_size)
        for i, support, (points, _, spread) in zip(group, own, answers, strict=True):
            known = support.visible & (others.counts > 0)
            distance = np.linalg.norm(points - support.points, axis=1) / max(support.box[2:])
            spreads[i, known], errors[i, known] = spread[known], distance[known]
    return spreads, errors


def report_keypoints(labelled: Labelled, errors: np.ndarray) -> tuple[KeypointReport, ...]:
    """Mean left-out error of each keypoint with its 95 % interval (Student's t over supports), from errors (S, K)."""
    reports = []
    for k, name in enumerate(labelled.names):
        known = errors[np.isfinite(errors[:, k]), k]
        mean, half = float('nan'), float('nan')
        if len(known):
            mean = float(known.mean())
        if len(known) > 1:
            half = float(student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known)))
        reports.append(KeypointReport(name, int(labelled.counts[k]), mean, (max(0.0, mean - half), mean + half)
                                      if np.isfinite(half) else (float('nan'), float('nan'))))
    return tuple(reports)
