"""What a person should look at first."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from capekit.labelling.records import PosePrediction

COLUMNS = ('rank', 'image', 'frame', 'animal', 'keypoint', 'expected_px', 'reason')
WORST = 0.9
"""A keypoint that is more uncertain than this share of all animals, or than all others, is a reason of its own."""
POOR_BOX = 0.4
"""A found box with a lower expected overlap is a reason."""


def suspicions(predictions: Sequence[PosePrediction]) -> dict[str, np.ndarray]:
    """What may be wrong, with (N, K) ranks within keypoints as of `ranks_within`."""
    spread, scores, misfit = (np.stack([getattr(p, name) for p in predictions])
                              for name in ('spread', 'scores', 'misfit'))
    known = np.isfinite(spread)
    return {'crops disagree': ranks_within(spread), 'low confidence': ranks_within(np.where(known, -scores, np.nan)),
            'unlike the labelled poses': ranks_within(misfit)}


def uncertainty(predictions: Sequence[PosePrediction]) -> np.ndarray:
    """(N, K) mean of the `suspicions`, in [0, 1); nan where a keypoint is not predicted.

    Keypoints are compared with themselves over all animals: one that is always hard does not fill the list.
    """
    return _together(suspicions(predictions))


def _together(signs: dict[str, np.ndarray]) -> np.ndarray:
    return mean_known(np.stack(list(signs.values())), 0)


def ranks_within(values: np.ndarray) -> np.ndarray:
    """(N, K) -> the share of the N animals with less at the same keypoint, in [0, 1); nan stays."""
    return (rankdata(values, 'min', axis=0, nan_policy='omit') - 1) / np.maximum(np.isfinite(values).sum(0), 1)


def mean_known(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is not nan, nan where all is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    return np.where(count > 0, np.where(known, values, 0).sum(axis) / np.maximum(count, 1), np.nan)


def animal_uncertainty(values: np.ndarray) -> np.ndarray:
    """(N, K) of `uncertainty` -> (N,) means over keypoints; 1 where an animal has none."""
    return np.nan_to_num(mean_known(values, 1), nan=1.0)


def rank_worst_first(predictions: Sequence[PosePrediction]) -> list[PosePrediction]:
    """Order predictions for review and set their `rank` (from 1); adds to their `reasons`.

    An animal counts by the mean uncertainty of its keypoints; flags that are there already, such as jumps, come first.
    """
    if not predictions:
        return []
    signs = suspicions(predictions)
    values = _together(signs)
    badness, ranks = animal_uncertainty(values), ranks_within(values)
    worst = ((ranks > 0) & ((ranks >= WORST) | (values == np.where(np.isfinite(values), values, -1).max(0)))).any(1)
    why = {name: mean_known(sign, 1) for name, sign in signs.items()}
    flagged = [bool(prediction.reasons) for prediction in predictions]
    order = sorted(range(len(predictions)), key=lambda i: (-flagged[i], -badness[i], i))
    for rank, i in enumerate(order, 1):
        prediction = predictions[i]
        prediction.rank = rank
        if prediction.box_from == 'found' and prediction.box_score < POOR_BOX:
            prediction.reasons.append('box found with low confidence')
        if worst[i]:
            prediction.reasons.append(max(why, key=lambda name: np.nan_to_num(why[name][i])))
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
