"""Predicting episodes: images encoded once, supports prepared once, bounded memory, answers as the plain loop's."""

import numpy as np
import pytest
import torch
from coco_files import content, write, write_images
from mean_colour import MeanColour

from capekit.datasets import MP100Dataset, TestPlan, released_test_plan
from capekit.engine.inference import EpisodePredictor, Features
from capekit.errors import CapekitError


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(categories=((1, 'cup', 3), (2, 'bird', 4), (7, 'hat', 6)), per_category=9)
    return MP100Dataset(write(folder / 'ann.json', data), write_images(folder / 'images', data), image_size=32)


def _collect(dataset, plan, batches) -> dict:
    """Episode number -> points (Q, K, 2) and scores (Q, K)."""
    answers = {}
    for numbers, points, scores in batches:
        category, = set(dataset.category_ids[plan.queries[numbers]].flatten().tolist())
        keypoints = dataset.categories[category].num_keypoints
        assert points.shape == (len(numbers), plan.queries.shape[1], keypoints, 2)
        assert points.dtype == scores.dtype == np.float32 and scores.shape == points.shape[:3]
        assert not answers.keys() & set(numbers.tolist())
        answers.update(zip(numbers.tolist(), zip(points, scores, strict=True), strict=True))
    return answers


def _assert_same(a: dict, b: dict):
    assert a.keys() == b.keys()
    for number in a:
        for one, other in zip(a[number], b[number], strict=True):
            np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize('max_images', [1000, 9, 6, 4])
@pytest.mark.parametrize('batch_size', [2, 5, 7])
@pytest.mark.parametrize('shots', [1, 3])
def test_equal_to_pair_by_pair(dataset, shots, batch_size, max_images):
    plan = released_test_plan(dataset, shots, queries=3, episodes=4)
    predictor = EpisodePredictor(MeanColour(), dataset, batch_size, max_images=max_images)
    kept = _collect(dataset, plan, predictor.predict(plan))
    assert sorted(kept) == list(range(12))
    _assert_same(kept, _collect(dataset, plan, predictor.predict_pairs(plan)))


def test_no_image_is_encoded_twice_and_no_support_set_prepared_twice(dataset):
    plan = released_test_plan(dataset, 2, queries=3, episodes=20)
    estimator = MeanColour()
    list(EpisodePredictor(estimator, dataset, batch_size=7).predict(plan))
    assert len(estimator.encoded) == len(np.unique(plan.rows)) and set(estimator.encoded.values()) == {1}
    assert sum(estimator.prepared) == len(plan) and sum(estimator.answered) == plan.queries.size
    assert max(estimator.answered) == 6  # two episodes per batch


@pytest.mark.parametrize('max_images', [1000, 4])
def test_more_queries_than_a_batch_holds(dataset, max_images):
    plan = released_test_plan(dataset, 2, queries=7, episodes=2)
    estimator = MeanColour()
    predictor = EpisodePredictor(estimator, dataset, batch_size=3, max_images=max_images)
    kept = _collect(dataset, plan, predictor.predict(plan))
    assert estimator.prepared == [1] * len(plan)
    assert set(estimator.answered) == ({3, 1} if max_images > 4 else {2, 1})
    _assert_same(kept, _collect(dataset, plan, predictor.predict_pairs(plan)))


@pytest.mark.parametrize(('queries', 'limit'), [(4, 5), (4, 12), (8, 3), (8, 2)])
def test_memory_is_bounded(dataset, queries, limit):
    plan = released_test_plan(dataset, 1, queries, episodes=8)
    predictor = EpisodePredictor(MeanColour(), dataset, batch_size=64, max_images=limit)
    parts = predictor._parts(predictor._steps(plan, None))
    assert max(len(part.needed) for part in parts) <= limit
    answered = [(number, query) for part in parts for step in part.steps
                for number, queries in zip(step.episodes, step.queries, strict=True) for query in queries]
    assert sorted(answered) == sorted((n, query) for n in range(len(plan)) for query in plan.queries[n])


def test_episodes_in_any_order(dataset):
    plan = released_test_plan(dataset, 1, queries=3, episodes=4)
    order = np.random.default_rng(0).permutation(len(plan))
    mixed_plan = TestPlan(plan.supports[order], plan.queries[order])
    predictor = EpisodePredictor(MeanColour(), dataset, batch_size=5, max_images=7)
    straight = _collect(dataset, plan, predictor.predict(plan))
    mixed = _collect(dataset, mixed_plan, predictor.predict(mixed_plan))
    _assert_same({int(number): mixed[place] for place, number in enumerate(order)}, straight)
    _assert_same(_collect(dataset, plan, predictor.predict(plan, order)), straight)


def test_some_episodes(dataset):
    plan = released_test_plan(dataset, 1, queries=3, episodes=4)
    predictor = EpisodePredictor(MeanColour(), dataset, batch_size=5)
    everything = _collect(dataset, plan, predictor.predict(plan))
    for loop in (predictor.predict, predictor.predict_pairs):
        some = _collect(dataset, plan, loop(plan, [9, 2, 3]))
        _assert_same(some, {number: everything[number] for number in (2, 3, 9)})
        assert list(loop(plan, [])) == []


@pytest.mark.parametrize('persistent', [False, True])
def test_workers_change_nothing(dataset, persistent):
    plan = released_test_plan(dataset, 1, queries=3, episodes=2)
    alone = _collect(dataset, plan, EpisodePredictor(MeanColour(), dataset, 4).predict(plan))
    predictor = EpisodePredictor(MeanColour(), dataset, 4, num_workers=2, persistent_workers=persistent)
    workers = []
    for episodes in (None, [1, 0], None):
        for number, answer in _collect(dataset, plan, predictor.predict(plan, episodes)).items():
            assert all(np.array_equal(a, b) for a, b in zip(answer, alone[number], strict=True))
        workers.append(predictor._images.loader._iterator)
    assert (workers[0] is workers[2] is not None) == persistent


def test_a_tensor_of_both_sides_is_kept_once():
    kept = Features()
    for numbers in ([4, 2], [9]):
        both = torch.tensor(numbers)[:, None]
        kept.add(numbers, dict(both=both, own=-both), dict(both=both, other=10 * both), np.zeros((len(numbers), 2, 3)))
    kept.keep_only(dict.fromkeys([9, 2]))
    support, query = kept.support(np.array([[9, 2]])), kept.query(np.array([2]))[0]
    assert support['both'].tolist() == [[[9], [2]]] and support['own'].tolist() == [[[-9], [-2]]]
    assert query['both'].tolist() == [[2]] and query['other'].tolist() == [[20]]
    assert sorted(kept._support) == ['own'] and sorted(kept._query) == ['both', 'other']


@pytest.mark.parametrize('name', ['batch_size', 'max_images'])
def test_settings_below_one(dataset, name):
    with pytest.raises(CapekitError, match=f'{name}=0 must be 1 or more'):
        EpisodePredictor(MeanColour(), dataset, **{name: 0})
