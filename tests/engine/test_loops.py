"""Evaluation loops: what they read from a data loader, what they pass to an evaluator and to mmengine."""

from types import SimpleNamespace

import numpy as np
import pytest
from coco_files import content, write, write_images
from mean_colour import MeanColour

from capekit.datasets import TestPlan
from capekit.engine.loops import ENCODING, EpisodeTestLoop, EpisodeValLoop, episodes_of_ranks
from capekit.errors import CapekitError
from capekit.evaluation import EpisodeEvaluator, evaluate
from capekit.registry import EVALUATOR


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The options of a data loader."""
    folder = tmp_path_factory.mktemp('images')
    made = content(categories=((1, 'cup', 3), (2, 'bird', 4), (7, 'hat', 6)), per_category=6)
    dataset = dict(type='MP100Dataset', ann_file=str(write(folder / 'ann.json', made)),
                   images=str(write_images(folder / 'images', made)), image_size=32)
    return dict(dataset=dataset, sampler=dict(type='TestEpisodes', shots=1, queries=3, episodes=2), batch_size=4)


def make_loop(data, loop=EpisodeTestLoop, evaluator=None, **settings):
    runner = SimpleNamespace(model=MeanColour().eval(), hooks=[])
    runner.call_hook = lambda name, **arguments: runner.hooks.append((name, arguments))
    return loop(runner, data, evaluator or dict(type='EpisodeEvaluator'), **settings)


@pytest.mark.parametrize('keep_features', [True, False])
def test_a_run(data, keep_features):
    loop = make_loop(data, EpisodeValLoop, dict(type='EpisodeEvaluator', resamples=10), keep_features=keep_features)
    metrics = loop.run()
    assert loop.points.shape == (6, 3, 6, 2) and loop.scores.shape == (6, 3, 6)
    assert np.isnan(loop.points[:2, :, 3:]).all() and np.isnan(loop.scores[2:4, :, 4:]).all()
    assert not np.isnan(loop.points[4:]).any() and not np.isnan(loop.scores[4:]).any()
    assert loop.report == evaluate(loop.dataloader.dataset, loop.plan, loop.points, loop.scores, resamples=10)
    assert loop.report['score_correlation'] is not None
    assert metrics == {**{name: metric['value'] for name, metric in loop.report['overall']['metrics'].items()},
                       'unscored_rows': loop.report['unscored_rows']}
    assert [name for name, _ in loop.runner.hooks] == ['before_val', 'before_val_epoch', 'after_val_epoch', 'after_val']
    assert loop.runner.hooks[2][1] == dict(metrics=metrics) and len(loop.dataloader) == 6


@pytest.mark.parametrize(('ranks', 'sizes'), [(2, [2, 4]), (5, [1, 1, 1, 1, 2])])
def test_ranks_share_the_episodes(data, monkeypatch, ranks, sizes):
    whole = make_loop(data)
    whole.run()
    shares = []
    for rank in range(ranks):
        monkeypatch.setattr('capekit.engine.loops.get_dist_info', lambda rank=rank: (rank, ranks))
        monkeypatch.setattr('capekit.engine.loops.all_gather_object', lambda share: shares.append(share) or [share])
        make_loop(data)._predict()
    taken = [sorted(number for numbers, *_ in share for number in numbers) for share in shares]
    assert sorted(map(len, taken)) == sizes and sorted(sum(taken, [])) == list(range(6))
    monkeypatch.setattr('capekit.engine.loops.all_gather_object', lambda _: shares)
    points, scores = make_loop(data)._predict()
    np.testing.assert_array_equal(points, whole.points)
    np.testing.assert_array_equal(scores, whole.scores)


@pytest.mark.parametrize('ranks', [1, 2, 3])
def test_categories_of_different_sizes_are_divided_by_work(ranks):
    rng = np.random.default_rng(0)
    names, sizes = (5, 3, 9, 1, 2, 8), [40, 200, 10, 60, 20, 70]
    ids = np.repeat(names, sizes)
    rows = np.concatenate([rng.choice(np.flatnonzero(ids == name), (100, 4)) for name in names])
    plan = TestPlan(rows[:, :1], rows[:, 1:])
    parts = episodes_of_ranks(plan, ids, ranks)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(600))
    held = [set(ids[plan.queries[numbers, 0]].tolist()) for numbers in parts]
    assert sum(map(len, held)) == 6
    work = [3 * len(numbers) + ENCODING * len(np.unique(plan.rows[np.repeat(np.isin(np.arange(600), numbers), 3)]))
            for numbers in parts]
    assert max(work) < 1.25 * sum(work) / ranks


@pytest.mark.parametrize(('ranks', 'expected'), [
    (2, [[0, 1, 2, 3], [4, 5, 6, 7]]),
    (3, [[0, 1], [2, 3], [4, 5, 6, 7]]),  # of the category with more images, each part is more work than the other
    (5, [[0], [1], [2], [3], [4, 5, 6, 7]]),
    (10, [[0], [1], [2], [3], [4], [5], [6], [7], [], []])])
def test_more_ranks_than_categories(ranks, expected):
    """Some categories are divided; only a rank beyond the last episode has nothing to do."""
    supports, queries = np.array([[1, 2, 3, 0, 5, 4, 5, 4], [0, 1, 2, 3, 4, 5, 4, 5]])[..., None]
    plan, ids = TestPlan(supports, queries), np.repeat((9, 4), (4, 2))
    assert [numbers.tolist() for numbers in episodes_of_ranks(plan, ids, ranks)] == expected


@pytest.mark.parametrize('persistent', [True, False])
def test_workers_live_on_between_validations(data, persistent):
    loop = make_loop(dict(data, num_workers=2, persistent_workers=persistent))
    workers = []
    for _ in range(2):
        loop.run()
        iterator = loop._predictor._images.loader._iterator
        workers.append([worker.pid for worker in iterator._workers] if iterator else None)
    assert workers[0] == workers[1] and (workers[0] is not None) == persistent


def test_persistent_workers_that_are_none(data):
    make_loop(dict(data, num_workers=0, persistent_workers=True)).run()


@pytest.mark.parametrize('option', ['drop_last', 'collate_fn', 'shuffle', 'pin_memory', 'batchsize'])
def test_other_options_of_a_data_loader_are_refused(data, option):
    with pytest.raises(CapekitError) as caught:
        make_loop({**data, option: True})
    assert f"test_dataloader: unknown option '{option}' for EpisodeTestLoop" in str(caught.value)
    assert 'valid: batch_size, dataset, num_workers, persistent_workers, sampler' in str(caught.value)


def test_a_sampler_without_a_plan_is_named(data):
    sampler = dict(type='TrainEpisodes', shots=1)
    with pytest.raises(CapekitError, match='TrainEpisodes cannot be the sampler of an evaluation: it has no `plan`'):
        make_loop(dict(data, sampler=sampler))


def test_a_sampler_without_a_seed_draws_the_released_episodes(data):
    named = make_loop(dict(data, sampler=dict(data['sampler'], seed=1)))
    assert np.array_equal(make_loop(data).plan.rows, named.plan.rows)


def test_an_evaluator_of_ones_own(data, monkeypatch):
    class Jitter:
        def evaluate(self, dataset, plan, points, scores):
            assert points.shape == (len(plan), 3, 6, 2) and scores.shape == points.shape[:3]
            return dict(overall=dict(metrics=dict(jitter=dict(value=float(np.nanstd(points))))))

    class Extended(EpisodeEvaluator):
        def evaluate(self, dataset, plan, points, scores):
            report = super().evaluate(dataset, plan, points, scores)
            report['overall']['metrics']['highest score'] = dict(value=float(np.nanmax(scores)))
            return report

    monkeypatch.setitem(EVALUATOR.module_dict, 'Jitter', Jitter)
    loop = make_loop(data, evaluator=dict(type='Jitter'))
    assert loop.run() == dict(jitter=float(np.nanstd(loop.points)))
    assert {'highest score', 'PCK@0.2', 'unscored_rows'} <= make_loop(data, evaluator=Extended()).run().keys()
