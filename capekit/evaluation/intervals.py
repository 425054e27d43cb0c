"""Intervals and paired comparison: the bootstrap over episodes within categories."""

from collections.abc import Sequence

import numpy as np

from capekit.errors import CapekitError
from capekit.evaluation.scores import THRESHOLDS, row_scores

CONFIDENCE = 0.95


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
