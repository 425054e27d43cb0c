"""Is B better than A? Two methods on the same episodes, paired: differences, intervals, p, and what moved most.

Two statements are made. By episode: episodes are resampled within every category, so the interval says what other
episodes of the same categories would show. Over categories: whole categories are resampled, which covers other
categories too and is therefore the wider one. Neither covers another training run; that takes seeds.
"""

from collections.abc import Sequence

import numpy as np

from capekit.datasets.episodes import TestPlan
from capekit.errors import CapekitError
from capekit.evaluation.dump import Predictions
from capekit.evaluation.intervals import CONFIDENCE, Bootstrap, bounds_of
from capekit.evaluation.scores import THRESHOLDS, by_row, row_scores

EXPECTED = 'expected a report of `capekit test`, a file of `capekit sweep` or a dump of `capekit test --dump`'
EPISODES = 3
"""Named per category: those that moved most."""
ROUNDING = 1e-12
SETTINGS = dict(shots='shots', queries='queries per episode', episodes='episodes per category', seed='seed of the plan')
"""Entries of a report's source that choose its episodes -> what an error calls them."""


def compare(dataset, plan: TestPlan, points_a, points_b, thresholds: Sequence[float] = THRESHOLDS,
            resamples: int = 1000, seed: int = 0, metric: str | None = None) -> dict:
    """Paired comparison of two methods on the same episodes: by how much B's metrics exceed A's.

    Both are scored on the same resampled episodes, so that what makes an episode hard for both cancels out.

    Args:
        dataset, plan, points_a, points_b, thresholds, resamples, seed: as in `evaluate`.
        metric: by whose difference categories and episodes are ranked; None = PCK at the largest threshold.

    Returns:
        dict: JSON-able. `metrics`: name -> {a, b, difference, low, high, p, over_categories: {low, high, p}};
        difference = b - a, low and high its 95 % interval, p two-sided: the smallest level at which that interval
        excludes 0. Without resamples these are absent, and with one category `over_categories` is. `categories`: id,
        name, `metrics` without intervals, and `moved`, up to `EPISODES` of {episode, query, difference} in `metric`:
        the episodes of the category, numbered as in the plan, whose mean moved most, and the query that did in each.

    Raises:
        CapekitError: as `evaluate`, or an unknown metric.
    """
    a, b = (row_scores(dataset, plan.rows, by_row(plan, points, 2), thresholds) for points in (points_a, points_b))
    bootstrap = Bootstrap(dataset, plan, resamples, seed)
    names, tables = a.names(), (a.table(), b.table())
    metric = check_metric(metric, names, a.thresholds)
    moved = tables[1] - tables[0]
    of_rows = moved[:, names.index(metric)].reshape(plan.queries.shape)
    sizes = np.array([len(member) for member in bootstrap.members])
    categories = [dict(id=id_, name=dataset.categories[id_].name, metrics=_values(names, of_a, of_b),
                       moved=_most_moved(of_rows, member))
                  for id_, member, of_a, of_b in zip(bootstrap.ids, bootstrap.members, *map(bootstrap.means, tables),
                                                     strict=True)]
    return dict(
        thresholds=list(a.thresholds), episodes=len(plan), rows=len(moved), unscored_rows=int((a.scored == 0).sum()),
        confidence=CONFIDENCE, resamples=resamples, seed=seed, metric=metric,
        metrics=_with_statements(_values(names, *(table.mean(0) for table in tables)),
                                 bootstrap.overall(bootstrap.draws(moved)),
                                 _over_categories(bootstrap.means(moved), sizes, resamples, seed)),
        categories=categories)


def compare_reports(a: dict, b: dict, resamples: int = 1000, seed: int = 0, metric: str | None = None) -> dict:
    """The same from two reports of `evaluate`, which do not know single episodes: only the statement over categories.

    Args:
        a, b: reports on the same test, see `check_same_test`.
        resamples, seed, metric: as in `compare`.

    Returns:
        dict: as `compare`, without `low`, `high` and `p` by episode and without `moved`.

    Raises:
        CapekitError: an unknown metric.
    """
    names = [name for name in a['overall']['metrics'] if name in b['overall']['metrics']]
    metric = check_metric(metric, names, a['thresholds'])

    def table(report):
        return np.array([[of['metrics'][name]['value'] for name in names] for of in report['categories']])

    overall = [np.array([report['overall']['metrics'][name]['value'] for name in names]) for report in (a, b)]
    sizes = np.array([category['rows'] for category in a['categories']])
    return dict(
        thresholds=a['thresholds'], episodes=a['episodes'], rows=a['rows'], unscored_rows=a['unscored_rows'],
        confidence=CONFIDENCE, resamples=resamples, seed=seed, metric=metric,
        metrics=_with_statements(_values(names, *overall), np.empty((0, len(names))),
                                 _over_categories(table(b) - table(a), sizes, resamples, seed)),
        categories=[dict(id=category['id'], name=category['name'], metrics=_values(names, of_a, of_b))
                    for category, of_a, of_b in zip(a['categories'], table(a), table(b), strict=True)])


def check_metric(metric: str | None, names: Sequence[str], thresholds: Sequence[float]) -> str:
    """The metric asked for, or PCK at the largest threshold.

    Raises:
        CapekitError: it is not one of `names`.
    """
    metric = metric or f'PCK@{thresholds[-1]:g}'
    if metric not in names:
        raise CapekitError(f'metric {metric!r} is not one of {", ".join(names)}')
    return metric


def check_same_episodes(a: Predictions, b: Predictions, name_a: str, name_b: str) -> None:
    """Refuse two dumps that cannot be paired.

    Raises:
        CapekitError: other data, shots, queries or episodes.
    """
    _check_same_data(a.meta, b.meta, name_a, name_b)
    for key, called in (('shots', 'shots'), ('queries', 'queries per episode')):
        counts = (a.plan.shots, b.plan.shots) if key == 'shots' else (a.meta[key], b.meta[key])
        if counts[0] != counts[1]:
            raise _different(name_a, name_b, called, *counts)
    if not np.array_equal(a.rows, b.rows):
        same = 'as many' if len(a.rows) == len(b.rows) else f'{len(b.rows)} instead of {len(a.rows)}'
        raise CapekitError(f'{name_b}: other rows than {name_a} ({same}); only predictions of the same test episodes '
                           'can be paired, drawn with the same --episodes, --queries and seed')


def check_same_test(a: dict, b: dict, name_a: str, name_b: str) -> None:
    """Refuse two reports of `capekit test` that cannot be paired.

    Raises:
        CapekitError: no source, other data, episodes or thresholds.
    """
    for report, name in ((a, name_a), (b, name_b)):
        missing = [key for key in ('source', 'overall', 'categories', 'thresholds') if key not in report]
        if missing:
            raise CapekitError(f'{name}: {EXPECTED}; {missing[0]!r} is missing')
    _check_same_data(a['source'], b['source'], name_a, name_b)
    for key, called in SETTINGS.items():
        if a['source'].get(key) != b['source'].get(key):
            raise _different(name_a, name_b, called, a['source'].get(key), b['source'].get(key))
    for called, of in (('thresholds', lambda report: report['thresholds']), ('rows', lambda report: report['rows']),
                       ('categories', lambda report: [category['id'] for category in report['categories']])):
        if of(a) != of(b):
            raise _different(name_a, name_b, called, of(a), of(b))


def _check_same_data(a: dict, b: dict, name_a: str, name_b: str) -> None:
    for key, called in (('sha256', 'annotation files'), ('instances', 'instances of the same annotation files')):
        if a.get(key) != b.get(key):
            raise CapekitError(f'{name_b}: other {called} than {name_a} ({_short(b.get(key))}, not '
                               f'{_short(a.get(key))}); only results on the same data can be paired')


def _short(value) -> str:
    """A hash, or a list of hashes, by its first digits."""
    return ', '.join(str(one)[:12] for one in (value if isinstance(value, list) else [value]))


def _different(name_a: str, name_b: str, what: str, a, b) -> CapekitError:
    return CapekitError(f'{name_b}: {what} {b}, but {a} in {name_a}; only results on the same test can be paired')


def _values(names: Sequence[str], a: np.ndarray, b: np.ndarray) -> dict:
    return {name: dict(a=float(of_a), b=float(of_b), difference=float(of_b - of_a))
            for name, of_a, of_b in zip(names, a, b, strict=True)}


def _with_statements(metrics: dict, by_episode: np.ndarray, over_categories: np.ndarray) -> dict:
    """Add what draws (R, M) of the differences say to each of the M metrics; no draws say nothing."""
    episode, category = _statements(by_episode), _statements(over_categories)
    return {name: {**values, **(episode[m] if episode else {}),
                   **(dict(over_categories=category[m]) if category else {})}
            for m, (name, values) in enumerate(metrics.items())}


def _statements(draws: np.ndarray) -> list:
    """{low, high, p} per column of draws (R, M)."""
    bounds = bounds_of(draws)
    if not bounds:
        return []
    # Sums in another order may differ by rounding: what should be 0 is 0.
    fewer = 1 + np.minimum((draws <= ROUNDING).sum(0), (draws >= -ROUNDING).sum(0))
    p = np.minimum(1, 2 * fewer / (len(draws) + 1))
    return [dict(low=float(low), high=float(high), p=float(value))
            for low, high, value in zip(bounds['low'], bounds['high'], p, strict=True)]


def _over_categories(means: np.ndarray, sizes: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(R, M) mean over rows when categories, with means (C, M) and sizes (C,), are resampled; none of one category."""
    count = len(means)
    if count < 2:
        return np.empty((0, means.shape[1]))
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples) * sizes
    return (times @ means) / times.sum(1, keepdims=True)


def _most_moved(differences: np.ndarray, member: np.ndarray) -> list:
    """Of the episodes `member`, those whose mean difference, of (E, Q), is largest in size."""
    means = differences[member].mean(1)
    chosen = member[np.argsort(-np.abs(means), kind='stable')[:EPISODES]]
    direction = np.sign(differences[chosen].mean(1, keepdims=True))
    queries = np.argmax(differences[chosen] * direction, 1)
    return [dict(episode=int(episode), query=int(query), difference=float(differences[episode].mean()))
            for episode, query in zip(chosen, queries, strict=True)]
