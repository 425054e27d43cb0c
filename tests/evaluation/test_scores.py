"""Metrics: the recorded numbers, mmpose as the reference, rows by hand, intervals and paired comparison."""

import json
import time

import numpy as np
import pytest
from coco_files import content, write

from capekit.datasets import MP100Dataset, TestPlan, released_test_episodes, released_test_plan
from capekit.errors import CapekitError
from capekit.evaluation import compare, evaluate, mpck_name, row_scores, score_correlation, score_rows
from capekit.evaluation.scores import pad_points


@pytest.fixture(scope='module')
def recorded(shared):
    return json.loads((shared / 'reference/protocol/mp100_split1_test.json').read_text())


@pytest.fixture(scope='module')
def split1(shared, recorded):
    return MP100Dataset(shared / 'data/mp100/annotations' / recorded['annotations'])


@pytest.fixture
def dataset(tmp_path):
    return MP100Dataset(write(tmp_path / 'a.json', content(per_category=12)))


def noisy(dataset, rows, scale=0.15, seed=7) -> list:
    """The protocol's recorded predictions: ground truth plus noise, as a share of the longest box side."""
    rng = np.random.default_rng(seed)
    points = []
    for row in rows:
        query = dataset.instance(row[-1])
        noise = rng.standard_normal((100, 2))[:len(query['keypoints'])]
        points.append(query['keypoints'][:, :2] + scale * max(query['bbox'][2:]) * noise)
    return points


@pytest.mark.parametrize('shots', [1, 5])
def test_recorded_metrics(split1, recorded, shots):
    rows = released_test_episodes(split1, shots, episodes=5)
    scores = score_rows(split1, rows, noisy(split1, rows))
    expected = recorded[f'{shots}shot_5episodes']['metrics']
    expected['mPCK@.05:.20'] = expected.pop('mPCK')
    assert scores.pop('unscored_rows') == 0
    assert list(scores) == ['PCK@0.05', 'PCK@0.1', 'PCK@0.15', 'PCK@0.2', 'mPCK@.05:.20', 'NME', 'AUC', 'EPE']
    assert scores == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_unscored_rows_of_the_published_test(split1):
    rows = released_test_episodes(split1, 5)
    slots = split1.keypoints.shape[1]
    truth = split1.keypoints[rows[:, -1], :, :2].astype(np.float32)
    start = time.perf_counter()
    scores = score_rows(split1, rows, truth)
    assert time.perf_counter() - start < 10  # 0.4 s on an idle core
    assert truth.shape == (60000, slots, 2)
    assert scores['unscored_rows'] == 16
    # They count as 0, in PCK too.
    assert scores['PCK@0.05'] == pytest.approx(1 - 16 / 60000, abs=1e-12)


def test_against_mmpose():
    """Every row is one sample for mmpose's functions."""
    pytest.importorskip('mmpose')
    from mmpose.evaluation.functional import keypoint_auc, keypoint_epe, keypoint_nme, keypoint_pck_accuracy

    rng = np.random.default_rng(0)
    count, slots = 60, 9

    class Fake:
        """The arrays that metrics read."""
        keypoints = np.concatenate([rng.uniform(0, 300, (count, slots, 2)),
                                    rng.integers(0, 3, (count, slots, 1))], axis=-1)
        bboxes = rng.uniform(20, 200, (count, 4))
        category_ids = np.zeros(count, np.int64)
        categories = {0: type('Category', (), dict(id=0, name='x', num_keypoints=slots))}

        def __len__(self):
            return count

    fake = Fake()
    fake.keypoints[:4, :, 2] = 0
    rows = rng.integers(0, count, (200, 4))
    points = fake.keypoints[rows[:, -1], :, :2] + rng.normal(0, 15, (200, slots, 2))
    thresholds = (0.05, 0.1, 0.2)
    scores = row_scores(fake, rows, points, thresholds)
    assert (scores.scored == 0).any() and (scores.scored > 3).any()
    for n, row in enumerate(rows):
        mask = (fake.keypoints[row, :, 2] > 0).all(0)[None]
        pred, truth = points[n][None], fake.keypoints[row[-1], :, :2][None]
        side = fake.bboxes[row[-1], 2:].max()
        for t, threshold in enumerate(thresholds):
            pck = keypoint_pck_accuracy(pred, truth, mask, threshold, np.full((1, 2), side))[1]
            assert scores.pck[n, t] == pytest.approx(pck, abs=1e-12)
        assert scores.nme[n] == pytest.approx(keypoint_nme(pred, truth, mask, np.full((1, 2), side)), rel=1e-6)
        assert scores.auc[n] == pytest.approx(keypoint_auc(pred, truth, mask, side), abs=1e-12)
        assert scores.epe[n] == pytest.approx(keypoint_epe(pred, truth, mask), rel=1e-6)


def hand_made(tmp_path, visibilities, width=101.0, height=41.0):
    """Instances of one category with four keypoints, in a box of 100 x 40 after clipping."""
    data = content(categories=[(1, 'cup', 4)], per_category=len(visibilities))
    for image, annotation, visible in zip(data['images'], data['annotations'], visibilities, strict=True):
        image.update(width=1000, height=1000)
        points = [[10.0 * k, 20.0, v] for k, v in enumerate(visible, 1)]
        annotation.update(bbox=[0, 0, width, height], keypoints=sum(points, []), num_keypoints=4)
    return MP100Dataset(write(tmp_path / 'hand.json', data))


def test_a_row_by_hand(tmp_path):
    dataset = hand_made(tmp_path, [(2, 2, 2, 0), (1, 2, 0, 2), (2, 2, 2, 2)])
    offsets = np.array([[3.0, 4.0], [0.0, 30.0], [500.0, 0.0], [500.0, 0.0]])
    points = dataset.instance(2)['keypoints'][:, :2] + offsets
    # Scored: the first two keypoints. Distances 5 and 30 of 100.
    scores = score_rows(dataset, [[0, 1, 2]], [points], thresholds=(0.1, 0.2, 0.4))
    assert scores == pytest.approx({'PCK@0.1': 0.5, 'PCK@0.2': 0.5, 'PCK@0.4': 1.0, 'mPCK@.10,.20,.40': 2 / 3,
                                    'NME': 0.175, 'EPE': 17.5, 'AUC': ((20 - 2) + (20 - 7)) / 40, 'unscored_rows': 0})


@pytest.mark.parametrize('threshold', [0.05, 0.1, 0.15, 0.2, 0.7])
def test_the_threshold_itself_is_a_miss(tmp_path, threshold):
    dataset = hand_made(tmp_path, [(2, 2, 2, 2)] * 2)
    truth = dataset.instance(1)['keypoints'][:, :2]
    for axis in (0, 1):
        points = truth.copy()
        points[:, axis] += 100 * threshold
        assert score_rows(dataset, [[0, 1]], [points], [threshold])[f'PCK@{threshold:g}'] == 0
        points[:2, axis] -= 1e-3
        assert score_rows(dataset, [[0, 1]], [points], [threshold])[f'PCK@{threshold:g}'] == 0.5


def test_rows_without_anything_to_score_count_as_zero(tmp_path):
    dataset = hand_made(tmp_path, [(2, 0, 0, 0), (0, 2, 2, 2), (2, 2, 2, 2)])
    truth = [dataset.instance(i)['keypoints'][:, :2] for i in (1, 2)]
    scores = score_rows(dataset, [[0, 1], [0, 2]], truth)
    assert scores['unscored_rows'] == 1 and scores['PCK@0.2'] == 0.5 and scores['EPE'] == 0
    report = evaluate(dataset, TestPlan.from_rows([[0, 1], [0, 2]], 2), truth, resamples=10)
    assert report['unscored_rows'] == report['categories'][0]['unscored_rows'] == 1


def test_forms_of_points(dataset):
    rows = released_test_episodes(dataset, 1, queries=3, episodes=2)
    points = noisy(dataset, rows)
    expected = score_rows(dataset, rows, points)
    padded = np.full((len(rows), 100, 2), np.nan)
    for n, row in enumerate(points):
        padded[n, :len(row)] = row
    assert score_rows(dataset, rows, padded) == expected
    assert score_rows(dataset, rows.tolist(), [np.pad(row, ((0, 5), (0, 0))) for row in points]) == expected


def test_a_prediction_that_is_no_number(dataset):
    rows = released_test_episodes(dataset, 1, queries=1, episodes=1)[:1]
    points = noisy(dataset, rows, scale=0)
    assert score_rows(dataset, rows, points)['PCK@0.05'] == 1
    points[0][0] = np.nan
    scores = score_rows(dataset, rows, points)
    assert scores['PCK@0.2'] < 1 and np.isnan(scores['NME'])


@pytest.mark.parametrize('rows, points, expected', [
    ([[0, 1]], [], '0 predictions for 1 rows'), ([[0, 99]], [np.zeros((3, 2))], '99'),
    ([[0, -1]], [np.zeros((3, 2))], '-1'), ([[0, 12]], [np.zeros((4, 2))], 'mixes categories'),
    ([[0, 1]], [np.zeros((2, 2))], "'cup' (id 1) needs (3 or more, 2)"), ([0, 1], [np.zeros((3, 2))], 'shape'),
    ([[0, 1]], np.zeros((1, 2, 2)), '(1, 3 or more, 2)'), ([[0.0, 1.0]], [np.zeros((3, 2))], 'whole numbers')])
def test_rows_and_points_that_do_not_fit(dataset, rows, points, expected):
    with pytest.raises(CapekitError) as caught:
        score_rows(dataset, rows, points)
    assert expected in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('thresholds', [(), (0.0, 0.1), (0.2, 0.1), (0.1, 0.1)])
def test_bad_thresholds(dataset, thresholds):
    with pytest.raises(CapekitError, match='ascending'):
        score_rows(dataset, [[0, 1]], [np.zeros((3, 2))], thresholds)


def test_mpck_names():
    assert mpck_name((0.05, 0.1, 0.15, 0.2)) == 'mPCK@.05:.20'
    assert mpck_name((0.05, 0.1, 0.15, 0.2, 0.25)) == 'mPCK@.05:.25'
    assert mpck_name((0.1, 0.2, 0.5)) == 'mPCK@.10,.20,.50'
    assert mpck_name((0.2,)) == 'mPCK@.20'
    assert mpck_name((0.05, 0.2)) == 'mPCK@.05,.20'
    assert mpck_name((0.125, 1.5)) == 'mPCK@.125,1.50'


def test_report(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=6)
    rows = plan.rows
    points = noisy(dataset, rows)
    report = evaluate(dataset, plan, points, resamples=200)
    json.dumps(report, allow_nan=False)
    flat = score_rows(dataset, rows, points)
    assert {name: metric['value'] for name, metric in report['overall']['metrics'].items()} == pytest.approx(
        {name: value for name, value in flat.items() if name != 'unscored_rows'})
    assert report['rows'] == 48 and report['shots'] == 1 and report['episodes'] == 12
    assert [c['rows'] for c in report['categories']] == [24, 24]
    own = score_rows(dataset, rows[:24], points[:24])
    assert report['categories'][0]['metrics']['PCK@0.2']['value'] == pytest.approx(own['PCK@0.2'])
    (group,) = report['supercategories']
    assert group['categories'] == [1, 2] and group['name'] == 'thing'
    assert group['metrics']['NME']['value'] == pytest.approx(
        np.mean([record['metrics']['NME']['value'] for record in report['categories']]))
    for record in [report['overall'], *report['categories'], group]:
        for metric in record['metrics'].values():
            assert metric['low'] <= metric['value'] <= metric['high']
    assert evaluate(dataset, plan, points, resamples=200) == report
    by_episode = pad_points(dataset, rows, points).reshape(12, 4, -1, 2)
    assert evaluate(dataset, plan, by_episode, resamples=200) == report
    with pytest.raises(CapekitError, match=r'predictions of shape \(4, 12, 4, 2\) for a plan of 12 episodes with 4'):
        evaluate(dataset, plan, by_episode.reshape(4, 12, -1, 2))
    with pytest.raises(CapekitError, match='resamples=-1 must be 0 or more'):
        evaluate(dataset, plan, points, resamples=-1)


def _without_intervals(report):
    if isinstance(report, dict):
        return {key: _without_intervals(value) for key, value in report.items()
                if key not in ('low', 'high', 'p', 'over_categories')}
    return [_without_intervals(value) for value in report] if isinstance(report, list) else report


def test_without_resamples_the_report_is_the_same_but_for_intervals(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=6)
    worse, better = noisy(dataset, plan.rows, 0.2), noisy(dataset, plan.rows, 0.1)
    for function, answers in ((evaluate, [worse]), (compare, [worse, better])):
        plain, whole = (function(dataset, plan, *answers, resamples=resamples) for resamples in (0, 20))
        assert plain == dict(_without_intervals(whole), resamples=0) and "'low'" not in str(plain)


def test_interval_is_that_of_episodes(tmp_path):
    """Episodes that are wholly right or wholly wrong: the spread of a mean over episodes, not over rows."""
    dataset = hand_made(tmp_path, [(2, 2, 2, 2)] * 100)
    rng = np.random.default_rng(0)
    supports = rng.permutation(100)[:50]
    rows = np.array([[support, query] for support in supports for query in range(10)])
    right = np.repeat(np.arange(50) % 2 == 0, 10)
    plan = TestPlan.from_rows(rows, 10)
    points = dataset.keypoints[rows[:, 1], :, :2] + np.where(right, 0, 900.0)[:, None, None]
    metric = evaluate(dataset, plan, points, resamples=4000)['overall']['metrics']['PCK@0.2']
    assert metric['value'] == 0.5
    expected = 2 * 1.96 * np.sqrt(0.25 / 50)
    assert metric['high'] - metric['low'] == pytest.approx(expected, rel=0.15)


def test_episodes_are_those_of_the_plan(tmp_path):
    """With few instances, successive episodes often share their support: rows alone do not tell them apart."""
    dataset = hand_made(tmp_path, [(2, 2, 2, 2)] * 4)
    plan = released_test_plan(dataset, 1, queries=2, episodes=100)
    changes = (plan.rows[1:, :-1] != plan.rows[:-1, :-1]).any(1).sum() + 1
    assert changes < 85  # the number that guessing episodes from the rows would find
    right = (np.arange(100) % 2 == 0)[:, None]
    points = dataset.keypoints[plan.queries, :, :2] + np.where(right, 0, 900.0)[..., None, None]
    report = evaluate(dataset, plan, points, resamples=4000)
    metric = report['overall']['metrics']['PCK@0.2']
    assert report['episodes'] == 100 and metric['value'] == 0.5
    assert metric['high'] - metric['low'] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 100), rel=0.1)
    other = compare(dataset, plan, points, dataset.keypoints[plan.queries, :, :2], resamples=4000)
    difference = other['metrics']['PCK@0.2']
    assert other['episodes'] == 100 and difference['difference'] == 0.5
    assert difference['high'] - difference['low'] == pytest.approx(metric['high'] - metric['low'], rel=0.1)


def test_order_of_episodes_changes_no_value(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=6)
    points = pad_points(dataset, plan.rows, noisy(dataset, plan.rows)).reshape(12, 4, -1, 2)
    order = np.random.default_rng(0).permutation(12)
    straight = evaluate(dataset, plan, points, resamples=0)
    mixed = evaluate(dataset, TestPlan(plan.supports[order], plan.queries[order]), points[order], resamples=0)
    for a, b in zip(straight['categories'], mixed['categories'], strict=True):
        assert a['id'] == b['id'] and a['rows'] == b['rows']
        for name, metric in a['metrics'].items():
            assert b['metrics'][name]['value'] == pytest.approx(metric['value'], rel=1e-12)


def test_score_correlation(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=6)
    points = pad_points(dataset, plan.rows, noisy(dataset, plan.rows))
    errors = row_scores(dataset, plan.rows, points).errors
    truth = {sign: evaluate(dataset, plan, points, np.exp(sign * np.nan_to_num(errors)).reshape(12, 4, -1), resamples=0)
             for sign in (-1, 1)}
    assert truth[-1]['score_correlation'] == pytest.approx(-1) and truth[1]['score_correlation'] == pytest.approx(1)
    # Checked against the definition, on scored keypoints alone: other slots may hold anything.
    scores = np.random.default_rng(0).random(errors.shape).astype(np.float32)
    known = np.isfinite(errors)
    ranks = [np.argsort(np.argsort(values[known])) for values in (errors, scores)]
    expected = np.corrcoef(*ranks)[0, 1]
    scores[~known] = np.nan
    report = evaluate(dataset, plan, points, scores, resamples=0)
    assert report['score_correlation'] == pytest.approx(expected) and 0 < abs(expected) < 0.5
    # A point that is not finite is as wrong as a point can be.
    worst = np.argwhere(known)[0]
    points[tuple(worst)] = np.nan
    scores[tuple(worst)] = 2
    assert evaluate(dataset, plan, points, scores, resamples=0)['score_correlation'] > expected


def test_no_score_correlation(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=2)
    points = noisy(dataset, plan.rows)
    slots = dataset.keypoints.shape[1]
    for scores in (None, np.ones((4, 4, slots)), np.full((4, 4, slots), np.nan)):
        assert evaluate(dataset, plan, points, scores, resamples=0)['score_correlation'] is None
    assert score_correlation(np.full((2, 3), np.nan), np.random.rand(2, 3)) is None
    with pytest.raises(CapekitError, match=r'scores of shape \(4, 3\) for 16 rows'):
        evaluate(dataset, plan, points, np.ones((4, 3)))


def test_comparison_is_paired(dataset):
    plan = released_test_plan(dataset, 1, queries=4, episodes=10)
    rows = plan.rows
    worse, better = noisy(dataset, rows, 0.2), noisy(dataset, rows, 0.19)
    result = compare(dataset, plan, worse, better, resamples=300)
    json.dumps(result, allow_nan=False)
    metric = result['metrics']['NME']
    assert metric['a'] == pytest.approx(score_rows(dataset, rows, worse)['NME'])
    assert metric['b'] == pytest.approx(score_rows(dataset, rows, better)['NME'])
    assert metric['difference'] == pytest.approx(metric['b'] - metric['a'])
    # The same noise, five percent smaller: detected although the intervals of the two on their own overlap.
    assert metric['low'] < metric['difference'] < metric['high'] < 0
    alone = [evaluate(dataset, plan, points, resamples=300)['overall']['metrics']['NME'] for points in (worse, better)]
    assert alone[0]['low'] < alone[1]['high']
    assert [record['id'] for record in result['categories']] == [1, 2]
    same = compare(dataset, plan, worse, worse, resamples=50)['metrics']['PCK@0.2']
    assert same['difference'] == same['low'] == same['high'] == 0
