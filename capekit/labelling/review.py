"""What a person should look at first."""

from collections.abc import Sequence

import numpy as np

from capekit.labelling.records import PosePrediction

COLUMNS = ('rank', 'image', 'frame', 'animal', 'keypoint', 'expected_px', 'reason')
WORST = 0.9
"""A keypoint whose uncertainty is above this share of all animals' is a reason of its own."""
POOR_BOX = 0.4
"""A found box with a lower expected overlap is a reason."""


def uncertainty(predictions: Sequence[PosePrediction]) -> np.ndarray:
    """(N, K) disagreement between crops, raised where the score is low; nan where a keypoint is not predicted."""
    spread, scores = (np.stack([getattr(p, name) for p in predictions]) for name in ('spread', 'scores'))
    return np.where(np.isfinite(spread), spread + 1e-3, np.nan) * (1.5 - np.clip(scores, 0, 1))


def ranks_within(values: np.ndarray) -> np.ndarray:
    """(N, K) -> the share of the N animals that are less uncertain about the same keypoint, in [0, 1); nan stays."""
    below = (values[None] < values[:, None]).sum(1)
    return np.where(np.isfinite(values), below / np.maximum(np.isfinite(values).sum(0), 1), np.nan)


def mean_ranks(shares: np.ndarray) -> np.ndarray:
    """(N, K) of `ranks_within` -> (N,) means over keypoints; 1 where an animal has none."""
    known = np.isfinite(shares)
    return np.where(known.any(1), np.where(known, shares, 0).sum(1) / np.maximum(known.sum(1), 1), 1.0)


def rank_worst_first(predictions: Sequence[PosePrediction]) -> list[PosePrediction]:
    """Order predictions for review and set their `rank` (from 1); adds to their `reasons`.

    Keypoints are compared with themselves over all animals: one that is always hard does not fill the list. An animal
    counts by the mean rank of its keypoints; flags that are there already, such as jumps, come first.
    """
    if not predictions:
        return []
    shares = ranks_within(uncertainty(predictions))
    badness = mean_ranks(shares)
    flagged = [bool(prediction.reasons) for prediction in predictions]
    order = sorted(range(len(predictions)), key=lambda i: (-flagged[i], -badness[i], i))
    for rank, i in enumerate(order, 1):
        prediction = predictions[i]
        prediction.rank = rank
        if prediction.box_from == 'found' and prediction.box_score < POOR_BOX:
            prediction.reasons.append('box found with low confidence')
        if (shares[i][np.isfinite(shares[i])] >= WORST).any():
            prediction.reasons.append('crops disagree')
    return [predictions[i] for i in order]


def worst_keypoint(prediction: PosePrediction) -> int:
    """The keypoint with the largest expected error, or disagreement where nothing is expected."""
    values = prediction.error if np.isfinite(prediction.error).any() else prediction.spread
    return int(np.nanargmax(values)) if np.isfinite(values).any() else 0


def review_rows(ranked: Sequence[PosePrediction], names: Sequence[str]) -> list[list]:
    """`COLUMNS`, and a row for each prediction; expected pixels are empty where uncalibrated."""
    rows: list[list] = [list(COLUMNS)]
    for prediction in ranked:
        worst = worst_keypoint(prediction)
        expected = prediction.error[worst]
        rows.append([prediction.rank, prediction.image, '' if prediction.frame is None else prediction.frame,
                     prediction.animal, names[worst], f'{expected:.1f}' if np.isfinite(expected) else '',
                     '; '.join(prediction.reasons)])
    return rows
