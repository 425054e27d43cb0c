"""What follows from a backbone: channels, input statistics and crop size; every kind under CapeFormer's head."""

import pytest
import torch

from capekit.apis import init_estimator
from capekit.errors import CapekitError

KINDS = {
    'swinv2_tiny_window8_256.ms_in1k': ('TimmPyramid', 128),
    'vit_small_patch14_dinov2.lvd142m': ('TimmViT', 56),
    'vit_small_patch16_dinov3.lvd1689m': ('TimmViT', 64),
    'tf_efficientnet_lite0.in1k': ('TimmPyramid', 64),
}


def _estimator(repo, options, config='capeformer_r50'):
    return init_estimator(repo / f'configs/_base_/models/{config}.py', cfg_options=options)


@pytest.mark.parametrize('name', KINDS)
def test_a_config_that_names_only_the_backbone_trains_a_step(repo, tmp_path, make_episode, name):
    kind, size = KINDS[name]
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = {str(repo / 'configs/_base_/models/capeformer_r50.py')!r}\nimage_size = {size}\n"
                    f'model = dict(backbone=dict(_delete_=True, type={kind!r}, name={name!r}))\n')
    estimator = init_estimator(path).train()
    estimator.init_weights()
    before = {key: value.detach().clone() for key, value in estimator.named_parameters()}
    optimizer = torch.optim.Adam(estimator.parameters(), 1e-4)
    losses = estimator(make_episode(shots=1, size=size), mode='loss')
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert not [key for key, p in estimator.named_parameters() if p.grad is None]
    optimizer.step()
    for part in ('backbone', 'head'):
        assert any((p != before[key]).any() for key, p in estimator.named_parameters() if key.startswith(part))
    assert estimator.image_size == size


@pytest.mark.parametrize('config', ['capeformer_r50', 'finetune_r50', 'maml_r50'])
def test_input_statistics_are_the_backbones_where_the_config_states_none(repo, config):
    lite = {'model.backbone.name': 'tf_efficientnet_lite0', 'model.backbone.strides': [16]}
    def values(options):
        preprocessor = _estimator(repo, {**lite, **options}, config).data_preprocessor
        return [*preprocessor.mean.flatten().tolist(), *preprocessor.std.flatten().tolist()]
    assert values({}) == [127.5] * 6
    assert values({'model.data_preprocessor': dict(type='CapePreprocessor')}) == [127.5] * 6
    assert values({'model.data_preprocessor': dict(type='CapePreprocessor', mean=[1, 2, 3], std=[4, 5, 6])}) == [
        1, 2, 3, 4, 5, 6]


def test_two_backbones_that_want_other_input_are_refused(repo):
    options = {'model.support_backbone.name': 'tf_efficientnet_lite0', 'model.backbone.name': 'resnet18'}
    with pytest.raises(CapekitError, match='different mean: .*; state model.data_preprocessor.mean'):
        _estimator(repo, options, 'pomnet_r50')
    stated = dict(type='CapePreprocessor', mean=[1, 2, 3], std=[4, 5, 6])
    _estimator(repo, {**options, 'model.data_preprocessor': stated}, 'pomnet_r50')


def test_a_backbone_of_another_size_than_the_crops_is_refused(repo):
    options = {'image_size': 64, 'model.backbone.name': 'resnet18', 'model.backbone.image_size': 128}
    with pytest.raises(CapekitError, match='backbone image_size=128: the crops have 64 pixels; leave it out'):
        _estimator(repo, options)


@pytest.mark.parametrize('config', ['finetune_r50', 'maml_r50'])
def test_adapting_estimators_tell_their_backbone_the_crop_size(repo, config):
    estimator = _estimator(repo, {
        'image_size': 64, 'model.backbone.name': 'swinv2_tiny_window8_256', 'model.backbone.strides': [16]}, config)
    assert estimator.network.backbone.image_size == 64
