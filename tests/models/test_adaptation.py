"""Fine-tune and MAML: they learn from the supports, once per support set, and leave the network unchanged."""

import copy

import pytest
import torch

from capekit.apis import init_estimator
from capekit.errors import CapekitError
from capekit.models.layers import gaussian_heatmaps

SMALL = {'model.backbone.name': 'resnet10t.c3_in1k', 'model.backbone.strides': [16], 'model.decoder_channels': 16,
         'model.max_keypoints': 10}


def _estimator(repo, method, **options):
    torch.manual_seed(0)
    options = {f'model.{name}': value for name, value in options.items()}
    return init_estimator(repo / f'configs/_base_/models/{method}_r50.py', cfg_options={**SMALL, **options})


def _support_error(estimator, episode, parameters):
    return float(estimator._support_error(parameters, episode.support_images[0], episode.support_points[0],
                                          episode.support_visible[0]))


@pytest.mark.parametrize('method', ['finetune', 'maml'])
def test_adaptation_lowers_the_error_on_the_supports_and_changes_nothing_else(repo, make_episode, method):
    estimator, episode = _estimator(repo, method, steps=4, rate=1e-3), make_episode(batch=1)
    before = copy.deepcopy(estimator.state_dict())
    with torch.no_grad():  # as in evaluation
        adapted = estimator._adapt(episode.support_images[0], episode.support_points[0], episode.support_visible[0])
        errors = [_support_error(estimator, episode, p) for p in (dict(estimator.network.named_parameters()), adapted)]
    assert errors[1] < errors[0]
    assert all(torch.equal(value, before[name]) for name, value in estimator.state_dict().items())


def _pre_trained(repo, make_episode, method):
    """The method's own steps and rate, on a network that knows other images of the same size."""
    estimator = _estimator(repo, 'finetune')
    optimizer = torch.optim.Adam(estimator.train().parameters(), 1e-3)
    for seed in range(1, 26):
        optimizer.zero_grad()
        estimator(make_episode(shots=4, seed=seed), mode='loss')['heatmap_loss'].backward()
        optimizer.step()
    adapting = _estimator(repo, method)
    adapting.load_state_dict(estimator.state_dict())
    return adapting


@pytest.mark.parametrize(('method', 'share'), [('finetune', 0.05), ('maml', 0.01)])
def test_the_steps_that_configs_ship_do_something(repo, make_episode, method, share):
    """They lower the error on the supports, which the answer and MAML's log report."""
    estimator, episode = _pre_trained(repo, make_episode, method), make_episode()
    before, after = estimator(episode, mode='predict').extras['support_errors'].unbind(1)
    assert (after < (1 - share) * before).all()
    if method == 'maml':
        logged = estimator(episode, mode='loss')
        torch.testing.assert_close(logged['support_error'], before.mean())
        torch.testing.assert_close(logged['adapted_support_error'], after.mean())


def test_adapts_once_for_all_queries_of_an_episode(repo, make_episode, monkeypatch):
    estimator, episode = _estimator(repo, 'finetune', steps=1), make_episode()
    support = estimator.encode_support(episode.support_images, episode.support_points, episode.support_visible)
    queries = estimator.encode_query(make_episode(batch=6, counts=(8,) * 6, seed=1).query_images)
    calls, adapt = [], estimator._adapt
    monkeypatch.setattr(estimator, '_adapt', lambda **supports: calls.append(1) or adapt(**supports))
    state = estimator.prepare(support, episode.task)
    assert estimator.answer(state, queries).points.shape == (6, 8, 2) and len(calls) == 2


def test_without_steps_it_is_simple_baselines(repo, make_episode):
    """The config of POMNet's table 4 that does not read the supports."""
    config = 'configs/finetune/finetune-human-body-simple-baseline_r50_mp100.py'
    small = {name: value for name, value in SMALL.items() if name != 'model.max_keypoints'}
    estimator = init_estimator(repo / config, cfg_options={**small, 'model.backbone.weights': None})
    assert (estimator.steps, estimator.max_keypoints) == (0, 17)
    episode, others = make_episode(), make_episode(seed=1)
    answer = estimator(episode, mode='predict')
    with torch.no_grad():
        heatmaps = estimator.network(estimator.data_preprocessor.normalise(episode.query_images))
    torch.testing.assert_close(answer.extras['heatmaps'], heatmaps[:, :8], atol=1e-6, rtol=1e-4)
    episode.support_images = others.support_images
    assert torch.equal(estimator(episode, mode='predict').points, answer.points)


def test_pre_training_puts_keypoint_k_on_output_k(repo, make_episode):
    estimator, episode = _estimator(repo, 'finetune'), make_episode(batch=1, counts=(5,), hide=False)
    estimator(episode, mode='loss')['heatmap_loss'].backward()
    gradient = estimator.network.decoder[-1].weight.grad.flatten(1).abs().sum(1)
    assert (gradient[:5] > 0).all() and (gradient[5:] == 0).all()


def test_first_and_second_order_differ_in_the_gradient_only(repo, make_episode):
    losses, gradients = [], []
    for first_order in (True, False):
        estimator = _estimator(repo, 'maml', rate=0.1, first_order=first_order)
        loss = estimator(make_episode(), mode='loss')['heatmap_loss']
        loss.backward()
        losses.append(loss.detach())
        gradients.append(estimator.network.decoder[0].weight.grad)
    torch.testing.assert_close(losses[0], losses[1])
    assert (gradients[0] - gradients[1]).norm() > 1e-3 * gradients[1].norm() > 0


def test_second_order_is_the_derivative_of_the_adapted_loss(repo, make_episode):
    """Along one direction, against finite differences in double precision."""
    estimator = _estimator(repo, 'maml', rate=0.01, steps=2, first_order=False).double()
    normalise, episode = estimator.data_preprocessor.normalise, make_episode(batch=1)
    estimator.data_preprocessor.normalise = lambda images: normalise(images).double()
    episode.support_points, episode.query_points = episode.support_points.double(), episode.query_points.double()
    weight = estimator.network.decoder[-1].weight
    estimator(episode, mode='loss')['heatmap_loss'].backward()
    direction, eps = torch.randn_like(weight), 1e-6
    with torch.no_grad():
        ends = []
        for step in (eps, -2 * eps):
            weight += step * direction
            ends.append(estimator(episode, mode='loss')['heatmap_loss'])
    torch.testing.assert_close((weight.grad * direction).sum(), (ends[0] - ends[1]) / (2 * eps), rtol=1e-3, atol=0)


def test_training_maml_updates_the_running_statistics(repo, make_episode):
    estimator = _estimator(repo, 'maml', steps=1).train()
    before = estimator.network.decoder[1].running_var.clone()
    estimator(make_episode(shots=1), mode='loss')
    assert not torch.equal(estimator.network.decoder[1].running_var, before) and estimator.network.training


def test_each_image_is_normalised_by_itself(repo, make_episode):
    estimator = _estimator(repo, 'maml', norm='image').train()
    images = estimator.data_preprocessor.normalise(make_episode().query_images)
    torch.testing.assert_close(estimator.network(images)[:1], estimator.network(images[:1]), atol=1e-5, rtol=0)
    assert not [name for name in estimator.state_dict() if 'running' in name]


def test_steps_of_adaptation_are_no_longer_than_allowed(repo, make_episode):
    estimator, episode = _estimator(repo, 'maml', steps=1, rate=0.5, max_norm=0.5), make_episode(batch=1)
    adapted = estimator._adapt(episode.support_images[0], episode.support_points[0], episode.support_visible[0])
    moved = torch.cat([(adapted[name] - value).flatten() for name, value in estimator.network.named_parameters()])
    torch.testing.assert_close(moved.norm(), torch.tensor(0.25), rtol=1e-3, atol=0)


def test_mamls_loss_is_that_of_what_the_network_says(repo, make_episode, monkeypatch):
    estimator, episode = _estimator(repo, 'maml'), make_episode(shots=1)
    outputs = 9 * gaussian_heatmaps(episode.query_points, episode.query_visible, 32, 2.0)[0]
    rows = iter(outputs.split(1))
    monkeypatch.setattr(estimator, '_adapt', lambda **_: dict(estimator.network.named_parameters()))
    monkeypatch.setattr(estimator, '_support_error', lambda *_, **__: torch.zeros(()))
    monkeypatch.setattr(estimator, '_answer', lambda *_: next(rows))
    expected = estimator._error(outputs, episode.query_points, episode.query_visible & episode.support_visible[:, 0])
    torch.testing.assert_close(estimator(episode, mode='loss')['heatmap_loss'], expected)


def test_unknown_norm_names_the_valid_ones(repo):
    with pytest.raises(CapekitError, match="norm='batch' is not one of running, image"):
        _estimator(repo, 'maml', norm='batch')


def test_too_many_keypoints_are_named(repo, make_episode):
    with pytest.raises(CapekitError, match='more keypoints than max_keypoints=10; raise it'):
        _estimator(repo, 'finetune')(make_episode(batch=1, counts=(12,)), mode='predict')
