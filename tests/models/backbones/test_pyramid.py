"""Networks with decreasing resolution: the maps asked for, always (N, C, H, W), nothing unused, every head on top."""

import json

import numpy as np
import pytest
import timm
import torch
from mmengine.runner import set_random_seed

from capekit.apis import init_estimator
from capekit.errors import CapekitError
from capekit.models.backbones import TimmPyramid

HRNET = {'model.backbone.name': 'hrnet_w18_small'}
SWIN = 'swinv2_tiny_window8_256.ms_in1k'


@pytest.mark.parametrize(('config', 'total', 'following'), [
    ('capeformer_r18', 25710.7022568, 0.8682590), ('sdpnet_hrnet18', 63359.3887389, 0.9356589)])
def test_random_draws_are_those_of_the_recorded_runs(repo, config, total, following):
    set_random_seed(0)
    backbone = init_estimator(repo / f'configs/synthetic/{config}_synthetic_1shot.py').backbone
    assert torch.rand(1).item() == pytest.approx(following, abs=1e-6)
    assert sum(p.double().abs().sum().item() for p in backbone.parameters()) == pytest.approx(total, rel=1e-7)
    assert [*backbone.mean, *backbone.std] == pytest.approx([123.675, 116.28, 103.53, 58.395, 57.12, 57.375])


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
    whole.to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 64, 64)
    maps = backbone(images)
    for stride, ours in zip(strides, maps, strict=True):
        torch.testing.assert_close(ours, whole(images)[(4, 8, 16, 32).index(stride)])
    sum(m.square().sum() for m in maps).backward()
    assert not [name for name, p in backbone.named_parameters() if p.grad is None]


@pytest.mark.parametrize(('name', 'strides', 'size'), [
    ('resnet10t.c3_in1k', (8, 16), 64), ('tf_efficientnet_lite0', (8,), 64), ('mobilenetv3_small_050', (4,), 64),
    ('convnext_atto', (8, 16), 64), (SWIN, (4, 16), 64), ('hiera_tiny_224', (8,), 64)])
def test_other_networks_have_no_unused_parameter_and_the_promised_shapes(name, strides, size):
    backbone = TimmPyramid(name, strides, image_size=size)
    maps = backbone(torch.rand(2, 3, size, size))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (c, size // s, size // s) for c, s in zip(backbone.channels, strides, strict=True)]
    sum(m.square().sum() for m in maps).backward()
    assert not [name for name, p in backbone.named_parameters() if p.grad is None]


@pytest.mark.parametrize('last_norm', [False, True])
def test_swin_gives_channels_first_and_takes_timms_weights_from_a_file(tmp_path, last_norm):
    """timm's SwinV2 returns (N, H, W, C); with the last norm it is what the classifier pools."""
    whole = timm.create_model(SWIN, img_size=64).eval()
    with torch.no_grad():
        whole.norm.weight.uniform_(0.5, 2)
    torch.save(whole.state_dict(), tmp_path / 'swin.pth')
    backbone = TimmPyramid(SWIN, (8, 32), str(tmp_path / 'swin.pth'), image_size=64, last_norm=last_norm).eval()
    backbone.init_weights()
    images = torch.rand(2, 3, 64, 64)
    if not last_norm:
        whole.norm = torch.nn.Identity()
    with torch.no_grad():
        fine, coarse = backbone(images)
        expected = whole.forward_features(images).permute(0, 3, 1, 2)
    assert fine.shape == (2, 192, 8, 8) and coarse.shape == (2, 768, 2, 2)
    torch.testing.assert_close(coarse, expected)


@pytest.mark.parametrize(('rate', 'last'), [(None, 0.1), (0.2, 0.2), (0.0, 0)])
def test_drop_path_grows_over_the_blocks(rate, last):
    network = TimmPyramid(SWIN, image_size=64, drop_path=rate).network
    rates = [getattr(block.drop_path1, 'drop_prob', 0) for name in ('layers_0', 'layers_1', 'layers_2', 'layers_3')
             for block in network[name].blocks]
    np.testing.assert_allclose(rates, np.linspace(0, last, len(rates)), atol=1e-6)


@pytest.mark.parametrize('kind', ['tiny', 'small'])
def test_swin_with_its_last_norm_is_graphcapes_backbone(shared, parity_recipe, tmp_path, kind):
    case = np.load(shared / 'reference/parity/graphcape_backbone.npz')
    prefix = f'{kind}/bn/'
    state = parity_recipe.state_dict(json.loads(str(case[f'{kind}/keys'])), int(case['seed']))
    state.update({key.removeprefix(prefix): case[key] for key in case.files if key.startswith(prefix)})
    # As SimMIM's files have them: in `model`, below `encoder.`, under an old name, with Microsoft's stages.
    names = {key: key.replace('backbone.', 'encoder.').replace('cpb_mlp', 'rpe_mlp') for key in state}
    torch.save(dict(model={names[key]: torch.from_numpy(np.array(value)) for key, value in state.items()}),
               tmp_path / 'swin.pth')
    backbone = TimmPyramid(f'swinv2_{kind}_window16_256', weights=str(tmp_path / 'swin.pth'), last_norm=True).eval()
    backbone.init_weights()
    images = torch.from_numpy(case['images'])[0].permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(value).view(3, 1, 1) / 255 for value in (backbone.mean, backbone.std))
    with torch.no_grad():
        coarse, = backbone((images / 255 - mean) / std)
    np.testing.assert_allclose(coarse, case[f'{kind}/map8'], rtol=0, atol=1e-4)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(name='resnet1'), "'resnet1' is not known to timm"),
    (dict(name='resnet18', strides=(64,)), "'resnet18' has no map of stride 64; it has [2, 4, 8, 16, 32]"),
    (dict(name='resnet18', strides=(8, 8)), 'name each stride once'),
    (dict(name='resnet18', strides=()), 'name each stride once'),
    (dict(name='vit_small_patch14_dinov2', strides=(14,)), "its maps have strides [14, 14, 14]; for a plain ViT: "
                                                           "backbone=dict(_delete_=True, type='TimmViT'"),
    (dict(name=SWIN, image_size=96), 'windows of 8 x 8 cells do not fill a map of 12 x 12); the nearest that it can: '
                                     '64 below, 128 above'),
    (dict(name=SWIN, image_size=100), 'must be a multiple of 32); the nearest that it can: 64 below, 128 above'),
    (dict(name='hrnet_w18_small', image_size=100), 'the nearest that it can: 96 below, 128 above'),
    (dict(name='resnet18', last_norm=True), 'last_norm=True is for a Swin network'),
    (dict(name='hrnet_w18_small', drop_path=0.1), "'hrnet_w18_small' has no drop_path; leave it out"),
    (dict(name=SWIN, strides=(16,), last_norm=True), 'last_norm=True is for a Swin network with its map of stride 32'),
])
def test_errors_name_what_would_do(options, message):
    with pytest.raises(CapekitError) as error:
        TimmPyramid(**options)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    torch.save(timm.create_model('resnet10t').state_dict(), tmp_path / 'other.pth')
    with pytest.raises(CapekitError, match='do not fit resnet18: .* keys missing'):
        TimmPyramid('resnet18', weights=str(tmp_path / 'other.pth')).init_weights()
    with pytest.raises(CapekitError, match="no such file; give a file, 'imagenet' or None"):
        TimmPyramid('resnet18', weights='none.pth').init_weights()


def test_crops_of_another_size_are_refused():
    with pytest.raises(CapekitError, match='built for crops of 64 pixels and got 128 x 128'):
        TimmPyramid(SWIN, image_size=64)(torch.rand(1, 3, 128, 128))


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
