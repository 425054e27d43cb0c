"""Every method answers a plan as it answers its pairs one by one, at one shot and at five."""

import numpy as np
import pytest
import torch
from coco_files import content, write, write_images

from capekit.apis import init_estimator
from capekit.datasets import MP100Dataset, released_test_plan
from capekit.engine.inference import EpisodePredictor

SMALL = {'model.backbone.name': 'resnet10t.c3_in1k'}
ADAPTING = {**SMALL, 'model.steps': 2}
METHODS = {
    'capeformer_r18': SMALL, 'protonet_r18': SMALL, 'fmmp_r18': SMALL, 'sdpnet_r18': SMALL,
    'graphcape_r18': SMALL, 'edgecape_r18': SMALL,
    'maml_r18': ADAPTING,
    'finetune_r18': ADAPTING, 'pomnet_r18': {**SMALL, 'model.support_backbone.name': 'resnet10t.c3_in1k'}}


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(categories=((1, 'cup', 3), (2, 'bird', 6)), per_category=9)
    return MP100Dataset(write(folder / 'ann.json', data), write_images(folder / 'images', data), image_size=96)


@pytest.mark.parametrize('shots', [1, 5])
@pytest.mark.parametrize('method', METHODS)
def test_equal_to_pair_by_pair(dataset, repo, monkeypatch, method, shots):
    torch.manual_seed(0)
    estimator = init_estimator(repo / f'configs/synthetic/{method}_synthetic_1shot.py', cfg_options=METHODS[method])
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    plan = released_test_plan(dataset, shots, queries=3, episodes=2)
    predictor = EpisodePredictor(estimator, dataset, batch_size=6)
    pairs = _by_episode(predictor.predict_pairs(plan))
    prepared, prepare = [], estimator.prepare
    monkeypatch.setattr(estimator, 'prepare', lambda support, task: prepared.append(len(task.names)) or prepare(
        support, task))
    for numbers, points, scores in predictor.predict(plan):
        for number, of_episode, its_scores in zip(numbers, points, scores, strict=True):
            np.testing.assert_allclose(of_episode, pairs[number][0], atol=0.01)  # pixels
            np.testing.assert_allclose(its_scores, pairs[number][1], atol=1e-4)
    assert sum(prepared) == len(plan) == len(pairs)


@pytest.mark.parametrize('method', METHODS)
def test_some_episodes_are_the_same_bits(dataset, repo, method):
    """Ranks that share a category score as one."""
    estimator = init_estimator(repo / f'configs/synthetic/{method}_synthetic_1shot.py', cfg_options=METHODS[method])
    plan = released_test_plan(dataset, 1, queries=3, episodes=3)
    predictor = EpisodePredictor(estimator, dataset, batch_size=7)
    for loop in (predictor.predict, predictor.predict_pairs):
        whole = _by_episode(loop(plan))
        for some in ([0, 4], [1, 2], [3], [5]):
            asked = _by_episode(loop(plan, some))
            assert sorted(asked) == some
            for number in some:
                assert all(map(np.array_equal, asked[number], whole[number]))


def _by_episode(batches) -> dict:
    """Episode number -> points (Q, K, 2) and scores (Q, K)."""
    return {number: answer for numbers, *arrays in batches
            for number, *answer in zip(numbers.tolist(), *arrays, strict=True)}
