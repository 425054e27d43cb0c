"""HRNet beside ResNet: the maps asked for, nothing unused, every head on top of it."""

import pytest
import timm
import torch

from capekit.apis import init_estimator
from capekit.models.backbones import TimmPyramid

HRNET = {'model.backbone.name': 'hrnet_w18_small'}


def test_hrnet_w32_has_the_papers_maps():
    backbone = TimmPyramid('hrnet_w32.ms_in1k', strides=(4, 8, 16, 32))
    assert backbone.channels == (32, 64, 128, 256)
    maps = backbone.eval()(torch.rand(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)]


@pytest.mark.parametrize('strides', [(32,), (4, 32), (4, 8, 16, 32)])
def test_hrnet_has_no_unused_parameter_and_the_same_maps(strides):
    backbone = TimmPyramid('hrnet_w18_small', strides=strides)
    whole = timm.create_model('hrnet_w18_small', features_only=True, feature_location='', out_indices=(1, 2, 3, 4))
    whole.load_state_dict(backbone.network.state_dict(), strict=False)
    images = torch.rand(2, 3, 64, 64)
    maps = backbone(images)
    for stride, ours in zip(strides, maps, strict=True):
        torch.testing.assert_close(ours, whole(images)[(4, 8, 16, 32).index(stride)])
    sum(m.square().sum() for m in maps).backward()
    assert not [name for name, p in backbone.named_parameters() if p.grad is None]


@pytest.mark.parametrize(('config', 'options'), [
    ('capeformer_r50', {'model.backbone.strides': [32]}),
    ('pomnet_r50', {'model.backbone.strides': [32], 'model.support_backbone.name': 'hrnet_w18_small'}),
    ('fmmp_r50', {'model.backbone.strides': [8, 16, 32]}),
])
def test_the_other_heads_take_it(repo, make_episode, config, options):
    estimator = init_estimator(repo / f'configs/_base_/models/{config}.py', cfg_options={**HRNET, **options}).train()
    losses = estimator(make_episode(shots=1), mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert not [name for name, p in estimator.named_parameters() if p.grad is None]
