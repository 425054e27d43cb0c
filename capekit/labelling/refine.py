"""How boxes surround keypoints, learned from the supports: a found box is replaced by one around its keypoints."""

import numpy as np

from capekit.labelling.records import Labelled

SURE = 0.5
"""Keypoints with a score below this share of the animal's median are left out of the hull."""
TRUST = 0.7
"""Share of the new box; the rest stays with the found one."""


class Hull:
    """The median distance of the supports' boxes from their points, on each side.

    Args:
        margins: (4,) left, top, right, bottom, in longest sides of the points' own box.
    """

    def __init__(self, margins: np.ndarray):
        self.margins = margins

    @classmethod
    def of(cls, labelled: Labelled) -> 'Hull':
        """Learned from the supports with at least two visible points."""
        all_margins = []
        for support in labelled.supports:
            points = support.points[support.visible]
            low, high = points.min(0), points.max(0)
            if (longest := (high - low).max()) > 0:
                sides = (low - support.box[:2], support.box[:2] + support.box[2:] - high)
                all_margins.append(np.concatenate(sides) / longest)
        return cls(np.median(all_margins, 0) if all_margins else np.zeros(4))

    def refine(self, box: np.ndarray, points: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """(4,) box, predicted points (K, 2) and their scores (K,) -> the box (4,) for the next pass."""
        known = scores >= SURE * np.median(scores)
        if known.sum() < 2 or (longest := np.ptp(points[known], axis=0).max()) <= 0:
            return box
        low = points[known].min(0) - self.margins[:2] * longest
        high = points[known].max(0) + self.margins[2:] * longest
        new = np.array([*low, *(high - low)])
        if min(new[2:]) <= 0:
            return box
        return TRUST * new + (1 - TRUST) * box
