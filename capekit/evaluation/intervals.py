"""Metrics with intervals, by bootstrapping over episodes within categories."""

from collections.abc import Sequence

import numpy as np

from capekit.datasets.episodes import TestPlan
from capekit.errors import CapekitError
from capekit.evaluation.scores import THRESHOLDS, by_row, row_scores, score_correlation

CONFIDENCE = 0.95


def evaluate(dataset, plan: TestPlan, points, scores: np.ndarray | None = None,
             thresholds: Sequence[float] = THRESHOLDS, resamples: int = 1000, seed: int = 0) -> dict:
    """The metrics overall, per category and per super-category, with 95 % intervals.

    The intervals come from resampling episodes, with replacement, within every category: they show how much the number
    would vary with other episodes of the same categories, not with other categories or another training run.

    Args:
        dataset: an `MP100Dataset`; no images are needed.
        plan: E episodes of Q queries.
        points: (E, Q, Kmax, 2) x, y in pixels of the original image, or for `plan.rows` as in `row_scores`.
        scores: (E, Q, Kmax) or (E * Q, Kmax) confidence of the points, nan where there is none; None = no scores.
        thresholds: of PCK, as in `row_scores`.
        resamples: bootstrap resamples; 0 = no intervals.
        seed: of the bootstrap.

    Returns:
        dict: JSON-able. `overall`, each of `categories` and each of `supercategories` has `metrics`: name ->
        {value, low, high}, without resamples {value}. A super-category is the mean over its categories; overall is the
        mean over rows. `score_correlation` is the result of the function of that name, None without scores.

    Raises:
        CapekitError: anything that does not match the plan, or resamples below 0.
    """
    scored = row_scores(dataset, plan.rows, by_row(plan, points, 2), thresholds)
    bootstrap = Bootstrap(dataset, plan, resamples, seed)
    names, table = scored.names(), scored.table()
    values, draws = bootstrap.means(table), bootstrap.draws(table)
    unscored = (scored.scored == 0).reshape(plan.queries.shape)

    def metrics(means, of_draws):
        bounds = bounds_of(of_draws)
        return {name: dict(value=float(means[m]), **{key: float(bound[m]) for key, bound in bounds.items()})
                for m, name in enumerate(names)}

    categories = []
    for c, id_ in enumerate(bootstrap.ids):
        category, member = dataset.categories[id_], bootstrap.members[c]
        categories.append(dict(id=id_, name=category.name, supercategory=category.supercategory,
                               rows=unscored[member].size, unscored_rows=int(unscored[member].sum()),
                               metrics=metrics(values[c], draws[c])))
    supercategories = []
    for name in dict.fromkeys(record['supercategory'] for record in categories):
        inside = [c for c, record in enumerate(categories) if record['supercategory'] == name]
        supercategories.append(dict(name=name, categories=[categories[c]['id'] for c in inside],
                                    rows=sum(categories[c]['rows'] for c in inside),
                                    metrics=metrics(values[inside].mean(0), draws[inside].mean(0))))
    return dict(thresholds=list(scored.thresholds), shots=plan.shots, episodes=len(plan), rows=unscored.size,
                unscored_rows=int(unscored.sum()), confidence=CONFIDENCE, resamples=resamples, seed=seed,
                score_correlation=None if scores is None else score_correlation(scored.errors, by_row(plan, scores, 1)),
                overall=dict(metrics=metrics(table.mean(0), bootstrap.overall(draws))),
                supercategories=supercategories, categories=categories)


def bounds_of(draws: np.ndarray) -> dict:
    """`low` and `high` (M,) of drawn means (R, M); nothing without draws."""
    if not len(draws):
        return {}
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return dict(low=low, high=high)


class Bootstrap:
    """Means over the rows of a plan, and over episodes resampled within categories."""

    def __init__(self, dataset, plan: TestPlan, resamples: int, seed: int):
        if resamples < 0:
            raise CapekitError(f'resamples={resamples!r} must be 0 or more')
        self._shape, self._resamples, self._seed = plan.queries.shape, resamples, seed
        of_episode = dataset.category_ids[plan.queries[:, 0]]
        present = set(of_episode.tolist())
        self.ids = [id_ for id_ in dataset.categories if id_ in present]
        """The categories of the plan, in file order."""
        self.members = [np.flatnonzero(of_episode == id_) for id_ in self.ids]
        """The episodes of each category."""

    def means(self, table: np.ndarray) -> np.ndarray:
        """(C, M) mean of a (E * Q, M) table over the rows of each category."""
        table = table.reshape(*self._shape, -1)
        return np.stack([table[member].reshape(-1, table.shape[2]).mean(0) for member in self.members])

    def draws(self, table: np.ndarray) -> np.ndarray:
        """(C, R, M) mean of a (E * Q, M) table over the rows of each category's episodes, resampled R times."""
        rng = np.random.default_rng(self._seed)
        totals = table.reshape(*self._shape, -1).sum(1)
        drawn = []
        for member in self.members:
            count = len(member)
            times = rng.multinomial(count, np.full(count, 1 / count), size=self._resamples)
            drawn.append(times @ totals[member] / (count * self._shape[1]))
        return np.stack(drawn)

    def overall(self, draws: np.ndarray) -> np.ndarray:
        """(R, M) mean over all rows from the result of `draws`: categories are weighted by their number of episodes."""
        return np.average(draws, axis=0, weights=[len(member) for member in self.members])
