"""The poses that people labelled: a predicted keypoint that lies where none of them has it may be wrong."""

import numpy as np

from capekit.labelling.records import Labelled

LEAST = 3
"""Keypoints that a labelled and a predicted pose must share: two points always fit."""
ROUNDS, STEADY = 5, 0.03
"""Of fitting with weights of 1 / (distance + STEADY), in longest box sides: few misplaced keypoints do not turn it."""


class Poses:
    """Labelled poses, and how far predictions are from them.

    Args:
        points: (S, K, 2) of the supports, nan where a keypoint is not labelled.
    """

    def __init__(self, points: np.ndarray):
        self.points = points

    @classmethod
    def of(cls, labelled: Labelled) -> 'Poses':
        """Those of the supports."""
        return cls(np.stack([np.where(support.visible[:, None], support.points, np.nan)
                             for support in labelled.supports]))

    @property
    def seen(self) -> np.ndarray:
        """(K,) bool, keypoints that some support shows."""
        return np.isfinite(self.points[..., 0]).any(0)

    def misfit(self, points: np.ndarray, side: float) -> np.ndarray:
        """How far each keypoint is from where the labelled pose that explains it best would have it.

        Every labelled pose is moved, turned and scaled onto the predicted one.

        Args:
            points: (K, 2) predicted, nan where not.
            side: longest of the box, in the same pixels.

        Returns:
            (K,) distances in `side`, nan where no pose shares the keypoint and `LEAST` in all.
        """
        # As complex numbers, turning and scaling together are one factor.
        poses, target = self.points @ (1, 1j), points @ (1, 1j)
        valid = np.isfinite(poses) & np.isfinite(target)
        valid &= valid.sum(1, keepdims=True) >= LEAST
        poses, target = np.where(valid, poses, 0), np.where(valid, target, 0)
        weight = valid.astype(float)
        for _ in range(ROUNDS):
            share = weight / np.maximum(weight.sum(1, keepdims=True), 1e-12)
            own, wanted = (values - (share * values).sum(1, keepdims=True) for values in (poses, target))
            size = (share * np.abs(own) ** 2).sum(1, keepdims=True)
            factor = (share * own.conj() * wanted).sum(1, keepdims=True) / np.maximum(size, 1e-12)
            distance = np.abs(factor * own - wanted) / side
            weight = valid / (distance + STEADY)
        return np.where(valid.any(0), np.where(valid, distance, np.inf).min(0), np.nan)
