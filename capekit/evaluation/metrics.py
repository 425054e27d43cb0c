"""How far predicted keypoints are from labelled ones: PCK, mPCK, NME, AUC and EPE, exactly as published CAPE numbers.

A row is [supports..., query] of instance numbers. Its keypoints are those labelled in the query and in every support;
distances are in pixels of the original image, divided by the longest side of the query's clipped box. A row without
such a keypoint counts as 0 in every metric, as in the released code: reports say how many there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capekit.errors import CapekitError

THRESHOLDS = (0.05, 0.1, 0.15, 0.2)
AUC_THRESHOLDS = np.arange(20) / 20
CONFIDENCE = 0.95


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

    def names(self) -> list:
        """Of the columns of `table`, as reports write them."""
        pck = [f'PCK@{threshold:g}' for threshold in self.thresholds]
        return [*pck, mpck_name(self.thresholds), 'NME', 'AUC', 'EPE']

    def table(self) -> np.ndarray:
        """(N, M) float64, one column for each of `names`."""
        return np.column_stack([self.pck, self.pck.mean(1), self.nme, self.auc, self.epe])


def mpck_name(thresholds: Sequence[float]) -> str:
    """'mPCK@.05:.20' of three or more evenly spaced thresholds, else the list of them: 'mPCK@.05,.20'."""
    def short(threshold):
        text = f'{threshold:.2f}' if round(threshold, 2) == threshold else f'{threshold:g}'
        return text.lstrip('0')
    if len(thresholds) > 2 and np.allclose(np.diff(thresholds, 2), 0, atol=1e-9):
        return f'mPCK@{short(thresholds[0])}:{short(thresholds[-1])}'
    return 'mPCK@' + ','.join(short(threshold) for threshold in thresholds)


def row_scores(dataset, rows, points, thresholds: Sequence[float] = THRESHOLDS) -> RowScores:
    """Score every row.

    Args:
        dataset: an `MP100Dataset`; no pictures are needed.
        rows: (N, S + 1) instance numbers, the query last.
        points: N arrays (>= K, 2), or one (N, >= Kmax, 2): x, y in pixels of the original image. What lies beyond a
            category's K is not read. A scored point that is no number is a miss, and makes NME and EPE nan.
        thresholds: of PCK, ascending.

    Raises:
        CapekitError: rows, points or thresholds that do not fit.
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
    # float32 is the precision in which the released code keeps distances; without it NME and EPE differ at 1e-9.
    pixels = np.linalg.norm(offset, axis=-1).astype(np.float32)
    distance = np.linalg.norm(offset / longest[:, None, None], axis=-1).astype(np.float32)

    def pck(threshold):
        # Both rounded to float32: a distance of exactly 0.7 is not below the threshold 0.7.
        return (scored & (distance < np.float32(threshold))).sum(1) / np.maximum(counts, 1)

    return RowScores(thresholds=thresholds, pck=np.column_stack([pck(threshold) for threshold in thresholds]),
                     nme=_row_means(distance, scored, counts),
                     auc=np.mean([pck(threshold) for threshold in AUC_THRESHOLDS], axis=0),
                     epe=_row_means(pixels, scored, counts), scored=counts)


def score_rows(dataset, rows, points, thresholds: Sequence[float] = THRESHOLDS) -> dict:
    """The published metrics of all rows, a flat dict: 'PCK@0.05', ..., 'mPCK@.05:.20', 'NME', 'AUC', 'EPE', and
    'unscored_rows', the number of rows that had nothing to score. Arguments as in `row_scores`."""
    scores = row_scores(dataset, rows, points, thresholds)
    means = scores.table().mean(0)
    return {**dict(zip(scores.names(), means.tolist(), strict=True)), 'unscored_rows': int((scores.scored == 0).sum())}


def evaluate(dataset, rows, points, thresholds: Sequence[float] = THRESHOLDS, resamples: int = 1000,
             seed: int = 0) -> dict:
    """The metrics overall, per category and per super-category, with 95 % intervals.

    The intervals come from drawing episodes anew, with replacement, within every category: they say how far the
    number would move with other episodes of the same categories, not with other categories or another training run.

    Args:
        dataset, rows, points, thresholds: as in `row_scores`. Consecutive rows with the same supports are one episode.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        dict: JSON-able. `overall`, each of `categories` and each of `supercategories` has `metrics`: name ->
        {value, low, high}. A super-category is the mean over its categories; overall is the mean over rows.
    """
    scores = row_scores(dataset, rows, points, thresholds)
    names, table = scores.names(), scores.table()
    rows = np.asarray(rows)
    groups = _Groups(dataset, rows, resamples, seed)
    sums, sizes = groups.resample(table)
    values = groups.means(table)
    unscored = scores.scored == 0

    def interval(value, draws):
        low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        return {name: dict(value=float(value[m]), low=float(low[m]), high=float(high[m]))
                for m, name in enumerate(names)}

    category_draws = sums / sizes[..., None]
    categories = []
    for c, id_ in enumerate(groups.ids):
        category, member = dataset.categories[id_], groups.members[c]
        categories.append(dict(id=id_, name=category.name, supercategory=category.supercategory, rows=len(member),
                               unscored_rows=int(unscored[member].sum()),
                               metrics=interval(values[c], category_draws[c])))
    supercategories = []
    for name in dict.fromkeys(record['supercategory'] for record in categories):
        inside = [c for c, record in enumerate(categories) if record['supercategory'] == name]
        supercategories.append(dict(name=name, categories=[categories[c]['id'] for c in inside],
                                    rows=sum(categories[c]['rows'] for c in inside),
                                    metrics=interval(values[inside].mean(0), category_draws[inside].mean(0))))
    overall = interval(table.mean(0), sums.sum(0) / sizes.sum(0)[:, None])
    return dict(thresholds=list(scores.thresholds), shots=rows.shape[1] - 1, rows=len(rows),
                unscored_rows=int(unscored.sum()), confidence=CONFIDENCE, resamples=resamples, seed=seed,
                overall=dict(metrics=overall), supercategories=supercategories, categories=categories)


def compare(dataset, rows, points_a, points_b, thresholds: Sequence[float] = THRESHOLDS, resamples: int = 1000,
            seed: int = 0) -> dict:
    """Paired comparison of two methods on the same rows: how much B's metrics exceed A's.

    Both are scored on the same resampled episodes, so what makes an episode hard for both cancels out.

    Returns:
        dict: JSON-able; `metrics` name -> {a, b, difference, low, high}, difference = b - a with its 95 % interval;
        `categories`: the same of each category, without interval.
    """
    a, b = row_scores(dataset, rows, points_a, thresholds), row_scores(dataset, rows, points_b, thresholds)
    table_a, table_b = a.table(), b.table()
    rows = np.asarray(rows)
    groups = _Groups(dataset, rows, resamples, seed)
    sums, sizes = groups.resample(table_b - table_a)
    draws = sums.sum(0) / sizes.sum(0)[:, None]
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    mean_a, mean_b = table_a.mean(0), table_b.mean(0)
    categories_a, categories_b = groups.means(table_a), groups.means(table_b)
    names = a.names()
    return dict(
        thresholds=list(a.thresholds), rows=len(rows), unscored_rows=int((a.scored == 0).sum()), confidence=CONFIDENCE,
        resamples=resamples, seed=seed,
        metrics={name: dict(a=float(mean_a[m]), b=float(mean_b[m]), difference=float(mean_b[m] - mean_a[m]),
                            low=float(low[m]), high=float(high[m])) for m, name in enumerate(names)},
        categories=[dict(id=id_, name=dataset.categories[id_].name, metrics={
            name: dict(a=float(categories_a[c, m]), b=float(categories_b[c, m]),
                       difference=float(categories_b[c, m] - categories_a[c, m])) for m, name in enumerate(names)})
            for c, id_ in enumerate(groups.ids)])


class _Groups:
    """Rows by category and episode, and the bootstrap over episodes within categories."""

    def __init__(self, dataset, rows: np.ndarray, resamples: int, seed: int):
        if resamples < 1:
            raise CapekitError(f'resamples={resamples!r} must be 1 or more')
        self.resamples, self.seed = resamples, seed
        of_row = dataset.category_ids[rows[:, -1]]
        present = set(of_row.tolist())
        self.ids = [id_ for id_ in dataset.categories if id_ in present]
        self.members = [np.flatnonzero(of_row == id_) for id_ in self.ids]
        starts = np.ones(len(rows), dtype=bool)
        starts[1:] = (rows[1:, :-1] != rows[:-1, :-1]).any(1)
        episode = np.cumsum(starts)
        self._episodes = [np.unique(episode[member], return_inverse=True)[1] for member in self.members]

    def means(self, table: np.ndarray) -> np.ndarray:
        """(C, M) mean of a (N, M) table over the rows of each category."""
        return np.stack([table[member].mean(0) for member in self.members])

    def resample(self, table: np.ndarray):
        """Sums (C, resamples, M) of a (N, M) table over the drawn rows of each category, and their number (C, R)."""
        rng = np.random.default_rng(self.seed)
        sums, sizes = [], []
        for member, episode in zip(self.members, self._episodes, strict=True):
            count = episode.max() + 1
            totals = np.zeros((count, table.shape[1]))
            np.add.at(totals, episode, table[member])
            times = rng.multinomial(count, np.full(count, 1 / count), size=self.resamples)
            sums.append(times @ totals)
            sizes.append(times @ np.bincount(episode))
        return np.stack(sums), np.stack(sizes)


def check_rows(dataset, rows) -> np.ndarray:
    """(N, S + 1) int64 rows, every one of instances of one category.

    Raises:
        CapekitError: another shape, no row, an instance that does not exist, or a row of mixed categories.
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
    """(N, Kmax, 2) float64 of N arrays (>= K, 2), nan from a row's K on."""
    if len(points) != len(rows):
        raise CapekitError(f'{len(points)} predictions for {len(rows)} rows')
    slots = dataset.keypoints.shape[1]
    counts = np.array([category.num_keypoints for category in dataset.categories.values()])
    counts = dict(zip(dataset.categories, counts.tolist(), strict=True))
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


def _row_means(values: np.ndarray, scored: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) float64 mean of the scored float32 values of each row, 0 where there are none.

    Rows with equally many are summed together, in float32 as the released code sums each of them.
    """
    means = np.zeros(len(values))
    for count in np.unique(counts[counts > 0]).tolist():
        rows = counts == count
        means[rows] = values[rows][scored[rows]].reshape(-1, count).sum(1).astype(np.float64) / count
    return means


def _check_thresholds(thresholds: Sequence[float]) -> tuple:
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if not thresholds or thresholds[0] <= 0 or any(a >= b for a, b in zip(thresholds, thresholds[1:], strict=False)):
        raise CapekitError(f'thresholds {list(thresholds)} must be above 0 and ascending, at least one')
    return thresholds
