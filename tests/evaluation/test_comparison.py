"""Two methods on the same episodes: what is said, what is refused."""

import copy

import numpy as np
import pytest
from coco_files import content, write

from capekit.datasets import MP100Dataset, released_test_plan
from capekit.errors import CapekitError
from capekit.evaluation import compare, compare_reports, comparison_table, evaluate, load_predictions, save_predictions
from capekit.evaluation.comparison import check_same_episodes, check_same_test
from capekit.evaluation.report import most_moved, moved_table


@pytest.fixture
def dataset(tmp_path):
    categories = [(id_, f'thing {id_}', 4) for id_ in range(1, 7)]
    return MP100Dataset(write(tmp_path / 'a.json', content(categories=categories, per_category=8)))


@pytest.fixture
def plan(dataset):
    return released_test_plan(dataset, 1, queries=3, episodes=5)


def answers(dataset, plan, wrong=()) -> np.ndarray:
    """(E, Q, K, 2): the labels, except in the categories and (episode, query) pairs that are wrong."""
    points = dataset.keypoints[plan.queries, :, :2].copy()
    for one in wrong:
        if isinstance(one, tuple):
            points[one] += 1000
        else:
            points[dataset.category_ids[plan.queries[:, 0]] == one] += 1000
    return points


def test_over_categories_is_the_wider_statement(dataset, plan):
    wrong = answers(dataset, plan, wrong=[1, 2])
    comparison = compare(dataset, plan, wrong, answers(dataset, plan))
    metric = comparison['metrics']['PCK@0.2']
    # All episodes of a category agree: other episodes would say the same, other categories might not.
    assert [metric[key] for key in ('difference', 'low', 'high')] == pytest.approx([1 / 3] * 3) and metric['p'] < 0.01
    wide = metric['over_categories']
    assert wide['low'] == 0 and 0.6 < wide['high'] <= 1 and 0.05 < wide['p'] < 0.5
    table = comparison_table(comparison)
    assert '95% by episode' in table and '95% over categories' in table and '+0.00..+' in table


def test_p_agrees_with_the_interval(dataset, plan):
    rng = np.random.default_rng(0)
    right = answers(dataset, plan)
    for shift in (0.0, 0.3, 3.0):
        a, b = (right + (4 + s) * rng.standard_normal(right.shape) for s in (0, shift))
        for metric in compare(dataset, plan, a, b)['metrics'].values():
            excluded = metric['low'] > 0 or metric['high'] < 0
            assert excluded == (metric['p'] < 0.05) or abs(metric['p'] - 0.05) < 0.005
    same = compare(dataset, plan, right, right)['metrics']['PCK@0.2']
    assert same['p'] == same['over_categories']['p'] == 1


def test_what_moved_most_is_named(dataset, plan):
    episodes = np.flatnonzero(dataset.category_ids[plan.queries[:, 0]] == 4)
    worse = [(int(episodes[3]), 1), (int(episodes[3]), 2), (int(episodes[1]), 0)]
    comparison = compare(dataset, plan, answers(dataset, plan), answers(dataset, plan, wrong=[2, *worse]))
    first, second = most_moved(comparison, 2)
    assert (first['id'], second['id']) == (2, 4) and len(first['moved']) == 3
    moved = second['moved']
    assert [(one['episode'], one['query']) for one in moved[:2]] == [worse[0], worse[2]]
    assert moved[0]['difference'] == pytest.approx(-2 / 3)
    assert 'thing 2 (2)' in moved_table(comparison, 1) and 'thing 4' not in moved_table(comparison, 1)
    by_error = compare(dataset, plan, answers(dataset, plan), answers(dataset, plan, wrong=[3]), metric='EPE')
    assert most_moved(by_error, 1)[0]['id'] == 3 and by_error['metric'] == 'EPE'
    with pytest.raises(CapekitError, match="metric 'PCK' is not one of PCK@0.05"):
        compare(dataset, plan, answers(dataset, plan), answers(dataset, plan), metric='PCK')


def test_reports_say_the_same_over_categories(dataset, plan):
    points = [answers(dataset, plan, wrong) for wrong in ([1, 2], [3, (29, 1)])]
    of_dumps = compare(dataset, plan, *points, resamples=100)
    reports = [evaluate(dataset, plan, one, resamples=0) for one in points]
    of_reports = compare_reports(*reports, resamples=100)
    for name, metric in of_reports['metrics'].items():
        assert 'low' not in metric and metric['difference'] == pytest.approx(of_dumps['metrics'][name]['difference'])
        assert metric['over_categories'] == pytest.approx(of_dumps['metrics'][name]['over_categories'])
    table = comparison_table(of_reports)
    assert 'by episode' not in table and '95% over categories' in table
    assert 'thing 1 (1)' in moved_table(of_reports, 3)


def test_one_category_says_nothing_about_others(tmp_path):
    dataset = MP100Dataset(write(tmp_path / 'a.json', content(categories=[(1, 'cup', 4)], per_category=8)))
    plan = released_test_plan(dataset, 1, queries=3, episodes=5)
    points = answers(dataset, plan)
    comparison = compare(dataset, plan, points, points, resamples=20)
    assert 'over_categories' not in comparison['metrics']['PCK@0.2']
    assert 'over categories' not in comparison_table(comparison)


def test_dumps_that_cannot_be_paired(dataset, plan, tmp_path):
    def dump(name, plan, of=dataset):
        save_predictions(tmp_path / name, plan, of.keypoints[plan.queries, :, :2], dict(of.source))
        return load_predictions(tmp_path / name)
    a = dump('a.npz', plan)
    check_same_episodes(a, dump('b.npz', plan), 'a', 'b')
    other = MP100Dataset(write(tmp_path / 'other.json', content(categories=[(1, 'cup', 4)], per_category=8)))
    for b, message in (
            (dump('b.npz', released_test_plan(dataset, 2, queries=3, episodes=5)), 'b: shots 2, but 1 in a'),
            (dump('b.npz', released_test_plan(dataset, 1, queries=2, episodes=5)), 'queries per episode 2, but 3 in a'),
            (dump('b.npz', released_test_plan(dataset, 1, queries=3, episodes=5, seed=2)), 'other rows .*as many'),
            (dump('b.npz', released_test_plan(dataset, 1, queries=3, episodes=4)), r'rows .*\(72 instead of 90\)'),
            (dump('b.npz', released_test_plan(other, 1, queries=3, episodes=5), other), 'other annotation files than')):
        with pytest.raises(CapekitError, match=message):
            check_same_episodes(a, b, 'a', 'b')


@pytest.mark.parametrize(('change', 'message'), [
    (dict(thresholds=[0.1, 0.2]), r'b: thresholds \[0.1, 0.2\], but \[0.05'), (dict(rows=3), 'rows 3, but 90'),
    (dict(source=dict(sha256=['x'])), 'b: other annotation files than a'),
    (dict(source=dict(shots=5)), 'shots 5, but 1'),
    (dict(source=dict(seed=5)), 'seed of the plan 5, but 1'),
    (dict(source=None), "expected a report of .* 'source' is missing"),
    (dict(categories=[]), 'categories')])
def test_reports_that_cannot_be_paired(dataset, plan, change, message):
    a = evaluate(dataset, plan, answers(dataset, plan), resamples=0)
    a['source'] = dict(dataset.source, shots=1, queries=3, episodes=5, seed=1)
    b = copy.deepcopy(a)
    check_same_test(a, b, 'a', 'b')
    for key, value in change.items():
        if isinstance(value, dict):
            b[key].update(value)
        elif value is None:
            del b[key]
        else:
            b[key] = value
    with pytest.raises(CapekitError, match=message):
        check_same_test(a, b, 'a', 'b')
