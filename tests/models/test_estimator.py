"""How an estimator passes an episode's images through its backbones."""

import copy

import pytest
import torch

from capekit.apis import init_estimator
from capekit.errors import CapekitError

TINY = dict(name='resnet10t.c3_in1k', strides=[16], weights=None)
HEAD = {'model.head.channels': 32, 'model.head.hidden_channels': 32, 'model.head.num_slots': 20}


def _estimator(repo, method, **options):
    torch.manual_seed(0)
    networks = ['backbone'] + ['support_backbone'] * (method == 'pomnet')
    small = {f'model.{network}.{name}': value for network in networks for name, value in TINY.items()}
    return init_estimator(repo / f'configs/_base_/models/{method}_r50.py', cfg_options={**small, **HEAD, **options})


def _statistics(network):
    return {name: value for name, value in network.state_dict().items() if 'running' in name}


def _passed(estimator, network, *batches):
    """BatchNorm's statistics of a copy of `network` after these batches (N, 3, H, W) of images, in order."""
    network = copy.deepcopy(network).train()
    with torch.no_grad():
        for images in batches:
            network(estimator.data_preprocessor.normalise(images))
    return _statistics(network)


def test_each_shot_and_the_queries_have_statistics_of_their_own(repo, make_episode):
    estimator, episode = _estimator(repo, 'capeformer'), make_episode(shots=2)
    first, second = episode.support_images.unbind(1)
    expected = _passed(estimator, estimator.backbone, episode.query_images, first, second)
    estimator.train()(episode, mode='loss')
    torch.testing.assert_close(_statistics(estimator.backbone), expected)


def test_a_joint_pass_is_one_pass(repo, make_episode):
    estimator = _estimator(repo, 'capeformer', **{'model.backbone_passes': 'joint'})
    episode = make_episode(shots=2)
    images = torch.cat((episode.support_images.flatten(0, 1), episode.query_images))
    expected = _passed(estimator, estimator.backbone, images)
    estimator.train()(episode, mode='loss')
    torch.testing.assert_close(_statistics(estimator.backbone), expected)


@pytest.mark.parametrize('passes', ['per_shot', 'joint'])
def test_two_networks_see_their_own_images(repo, make_episode, passes):
    estimator = _estimator(repo, 'pomnet', **{'model.backbone_passes': passes})
    episode = make_episode(shots=2)
    supports = episode.support_images.unbind(1) if passes == 'per_shot' else [episode.support_images.flatten(0, 1)]
    expected = [_passed(estimator, estimator.support_backbone, *supports),
                _passed(estimator, estimator.backbone, episode.query_images)]
    estimator.train()(episode, mode='loss')
    torch.testing.assert_close([_statistics(estimator.support_backbone), _statistics(estimator.backbone)], expected)


def test_shots_keep_their_place(repo, make_episode):
    """Without BatchNorm's statistics both ways are the same, whatever the number of episodes and shots."""
    estimator, episode = _estimator(repo, 'capeformer'), make_episode(shots=3)
    estimator.training = True  # the estimator alone: dropout and BatchNorm stay as they are
    apart = estimator(episode, mode='loss')
    estimator.backbone_passes = 'joint'
    torch.testing.assert_close(apart, estimator(episode, mode='loss'))


def test_unknown_passes_name_the_valid_ones(repo):
    with pytest.raises(CapekitError, match="backbone_passes='twice' is not one of per_shot, joint"):
        _estimator(repo, 'capeformer', **{'model.backbone_passes': 'twice'})
