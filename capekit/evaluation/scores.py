"""How far predicted keypoints are from the labels: PCK, mPCK, NME, AUC and EPE, exactly as in published CAPE numbers.

A row is [supports..., query], instance numbers. Its keypoints are those labelled in the query and in every support;
distances are in pixels of the original image, divided by the longest side of the query's clipped box. A row without
such a keypoint counts as 0 in every metric, as in the released code: reports state how many there were.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capekit.datasets.episodes import TestPlan
from capekit.errors import CapekitError

THRESHOLDS = (0.05, 0.1, 0.15, 0.2)
AUC_THRESHOLDS = np.arange(20) / 20


@dataclass
class RowScores:
    """The metrics of N rows, each a mean over the row's scored keypoints."""

    thresholds: tuple[float, ...]
    pck: np.ndarray
    """(N, T) float64 share of keypoints nearer than each threshold (strictly)."""
    nme: np.ndarray
    """(N,) float64 mean normalised distance."""
    auc: np.ndarray
    """(N,) float64 mean of PCK over the thresholds 0, 0.05, ..., 0.95."""
    epe: np.ndarray
    """(N,) float64 mean distance in pixels of the original image."""
    scored: np.ndarray
    """(N,) int64 number of scored keypoints; 0 = an unscored row."""
    errors: np.ndarray
    """(N, Kmax) float32 normalised distance of scored keypoints, inf where a point is not finite; nan elsewhere."""

    def names(self) -> list:
        """Names of the columns of `table`, as in reports."""
        pck = [f'PCK@{threshold:g}' for threshold in self.thresholds]
        return [*pck, mpck_name(self.thresholds), 'NME', 'AUC', 'EPE']

    def table(self) -> np.ndarray:
        """(N, M) float64, one column per name of `names`."""
        return np.column_stack([self.pck, self.pck.mean(1), self.nme, self.auc, self.epe])


def mpck_name(thresholds: Sequence[float]) -> str:
    """'mPCK@.05:.20' for three or more evenly spaced thresholds, else a list of them: 'mPCK@.05,.20'."""
    def short(threshold):
        text = f'{threshold:.2f}' if round(threshold, 2) == threshold else f'{threshold:g}'
        return text.lstrip('0')
    if len(thresholds) > 2 and np.allclose(np.diff(thresholds, 2), 0, atol=1e-9):
        return f'mPCK@{short(thresholds[0])}:{short(thresholds[-1])}'
    return 'mPCK@' + ','.join(short(threshold) for threshold in thresholds)


def row_scores(dataset, rows, points, thresholds: Sequence[float] = THRESHOLDS) -> RowScores:
    """Score every row.

    Args:
        dataset: an `MP100Dataset`; no images are needed.
        rows: (N, S + 1) instance numbers, the query last.
        points: N arrays (>= K, 2), or one (N, >= Kmax, 2): x, y in pixels of the original image. Entries beyond a
            category's K are not read. A scored point that is not finite is a miss, and makes NME and EPE nan.
        thresholds: of PCK, ascending.

    Raises:
        CapekitError: rows, points or thresholds that do not match.
    """
    thresholds = _check_thresholds(thresholds)
    rows = check_rows(dataset, rows)
    query = rows[:, -1]
    points = pad_points(dataset, rows, points)
    scored = dataset.keypoints[rows[:, 0], :, 2] > 0
    for column in rows.T[1:]:
        scored &= dataset.keypoints[column, :, 2] > 0
    counts = scored.sum(1)

    longest = dataset.bboxes[query, 2:].max(1)
    offset = points - dataset.keypoints[query, :, :2]
    # The released code keeps distances in float32; in float64 NME and EPE would differ by 1e-9.
    pixels = np.linalg.norm(offset, axis=-1).astype(np.float32)
    distance = np.linalg.norm(offset / longest[:, None, None], axis=-1).astype(np.float32)

    def pck(threshold):
        # Both rounded to float32: a distance of exactly 0.7 is not below the threshold 0.7.
        return (scored & (distance < np.float32(threshold))).sum(1) / np.maximum(counts, 1)

    return RowScores(thresholds=thresholds, pck=np.column_stack([pck(threshold) for threshold in thresholds]),
                     nme=_row_means(distance, scored, counts),
                     auc=np.mean([pck(threshold) for threshold in AUC_THRESHOLDS], axis=0),
                     epe=_row_means(pixels, scored, counts), scored=counts,
                     errors=np.where(scored, np.nan_to_num(distance, nan=np.inf), np.nan))


def score_rows(dataset, rows, points, thresholds: Sequence[float] = THRESHOLDS) -> dict:
    """The published metrics of all rows as a flat dict: 'PCK@0.05', ..., 'mPCK@.05:.20', 'NME', 'AUC', 'EPE', and
    'unscored_rows', the number of rows that had nothing to score. Arguments as in `row_scores`."""
    scores = row_scores(dataset, rows, points, thresholds)
    means = scores.table().mean(0)
    return {**dict(zip(scores.names(), means.tolist(), strict=True)), 'unscored_rows': int((scores.scored == 0).sum())}


def by_row(plan: TestPlan, values, dims: int):
    """Points or scores (E, Q, ...), `dims` dimensions per query, as (E * Q, ...); unchanged if already per row."""
    if getattr(values, 'ndim', None) != 2 + dims:
        return values
    if values.shape[:2] != plan.queries.shape:
        raise CapekitError(f'predictions of shape {values.shape} for a plan of {plan.queries.shape[0]} episodes with '
                           f'{plan.queries.shape[1]} queries')
    return values.reshape(-1, *values.shape[2:])


def check_rows(dataset, rows) -> np.ndarray:
    """(N, S + 1) int64 rows, each with instances of one category.

    Raises:
        CapekitError: another shape, no rows, an instance that does not exist, or a row of mixed categories.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] < 2 or not len(rows) or rows.dtype.kind not in 'iu':
        raise CapekitError(f'rows of shape {rows.shape} ({rows.dtype}): expected whole numbers (N, shots + 1), N and '
                           'shots 1 or more')
    rows = rows.astype(np.int64)
    if rows.min() < 0 or rows.max() >= len(dataset):
        raise CapekitError(f'rows name instances {rows.min()} to {rows.max()}; the data set has 0 to '
                           f'{len(dataset) - 1}')
    mixed = (dataset.category_ids[rows] != dataset.category_ids[rows[:, :1]]).any(1)
    if mixed.any():
        first = int(np.argmax(mixed))
        raise CapekitError(f'row {first} {rows[first].tolist()} mixes categories '
                           f'{dataset.category_ids[rows[first]].tolist()}')
    return rows


def pad_points(dataset, rows: np.ndarray, points) -> np.ndarray:
    """(N, Kmax, 2) float64 from N arrays (>= K, 2), nan from a row's K on."""
    if len(points) != len(rows):
        raise CapekitError(f'{len(points)} predictions for {len(rows)} rows')
    slots = dataset.keypoints.shape[1]
    counts = {id_: category.num_keypoints for id_, category in dataset.categories.items()}
    needed = np.array([counts[id_] for id_ in dataset.category_ids[rows[:, -1]].tolist()])
    padded = np.full((len(rows), slots, 2), np.nan)
    if hasattr(points, 'shape'):
        points = np.asarray(points)
        if points.ndim != 3 or points.shape[2] != 2 or points.shape[1] < needed.max():
            raise CapekitError(f'predictions of shape {points.shape}; expected ({len(rows)}, {needed.max()} or more, '
                               '2)')
        kept = min(slots, points.shape[1])
        padded[:, :kept] = points[:, :kept]
    else:
        for n, (row, count) in enumerate(zip(points, needed.tolist(), strict=True)):
            row = np.asarray(row)
            if row.ndim != 2 or row.shape[1] != 2 or len(row) < count:
                category = dataset.categories[int(dataset.category_ids[rows[n, -1]])]
                raise CapekitError(f"prediction {n} has shape {row.shape}; category '{category.name}' (id "
                                   f'{category.id}) needs ({count} or more, 2)')
            padded[n, :count] = row[:count]
    padded[np.arange(slots) >= needed[:, None]] = np.nan
    return padded


def score_correlation(errors: np.ndarray, scores: np.ndarray) -> float | None:
    """Spearman's rank correlation of a method's scores with the normalised errors, over all scored keypoints.

    Negative: higher scores come with smaller errors, as they should; 0: the scores say nothing about the error.

    Args:
        errors: (N, Kmax) of `RowScores`.
        scores: (N, K) of the same rows, nan where there is none.

    Returns:
        in [-1, 1]; None if there are no scores, or all are equal.

    Raises:
        CapekitError: a different number of rows.
    """
    from scipy.stats import spearmanr  # heavy: imported only where used
    if scores.ndim != 2 or len(scores) != len(errors):
        raise CapekitError(f'scores of shape {scores.shape} for {len(errors)} rows')
    slots = min(errors.shape[1], scores.shape[1])
    errors, scores = errors[:, :slots], scores[:, :slots]
    known = ~np.isnan(errors) & ~np.isnan(scores)
    errors, scores = errors[known], scores[known]
    if any(not len(values) or (values == values[0]).all() for values in (errors, scores)):
        return None
    return float(spearmanr(scores, errors).statistic)


def _row_means(values: np.ndarray, scored: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) float64 mean of the scored float32 values of each row, 0 where there are none.

    Rows with equal counts are summed together, in float32 as the released code sums each of them.
    """
    means = np.zeros(len(values))
    for count in np.unique(counts[counts > 0]).tolist():
        rows = counts == count
        means[rows] = values[rows][scored[rows]].reshape(-1, count).sum(1).astype(np.float64) / count
    return means


def _check_thresholds(thresholds: Sequence[float]) -> tuple:
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if not thresholds or not thresholds[0] > 0 or not all(a < b for a, b in itertools.pairwise(thresholds)):
        raise CapekitError(f'thresholds {list(thresholds)} must be above 0 and ascending, at least one')
    return thresholds
