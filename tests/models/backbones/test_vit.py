"""Plain ViTs: which blocks, which tokens, and the position embedding on another grid."""

import json

import numpy as np
import pytest
import timm
import torch

from capekit.errors import CapekitError
from capekit.models.backbones import TimmPyramid, TimmViT
from capekit.models.backbones.vit import hub_position

DINOV2 = 'vit_small_patch14_dinov2.lvd142m'
DINOV3 = 'vit_small_patch16_dinov3.lvd1689m'
REGISTERS = 'vit_small_patch14_reg4_dinov2.lvd142m'


def cubic(distance):
    """The bicubic kernel, a = -0.75."""
    d = np.abs(distance)
    near = 1.25 * d ** 3 - 2.25 * d ** 2 + 1
    far = -0.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


@pytest.mark.parametrize('size', [4, 16, 19, 40])
def test_hub_position_is_the_formula(size):
    """Output i samples the 37 x 37 grid at (i + 0.5) * 37 / (size + 0.1) - 0.5, borders repeated."""
    embedding = torch.randn(1, 1 + 37 * 37, 3, generator=torch.Generator().manual_seed(size))
    places = (np.arange(size) + 0.5) * 37 / (size + 0.1) - 0.5
    weights = np.zeros((size, 37))
    for i, place in enumerate(places):
        for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[i, np.clip(j, 0, 36)] += cubic(place - j)
    grid = embedding[0, 1:].double().numpy().reshape(37, 37, 3)
    expected = np.einsum('iy,jx,yxc->ijc', weights, weights, grid).reshape(-1, 3)
    ours = hub_position(embedding, size)[0].numpy()
    np.testing.assert_array_equal(ours[0], embedding[0, 0])
    np.testing.assert_allclose(ours[1:], expected, rtol=0, atol=2e-5)


def test_hub_position_leaves_its_own_grid_alone():
    embedding = torch.randn(1, 1 + 37 * 37, 3)
    assert hub_position(embedding, 37) is embedding


@pytest.mark.parametrize(('name', 'size', 'position'), [
    (DINOV2, 56, 'timm'), (DINOV2, 56, 'hub'), (DINOV3, 64, 'timm'), (REGISTERS, 56, 'timm')])
def test_maps_are_the_normalised_patch_tokens_of_the_blocks(name, size, position):
    backbone = TimmViT(name, (-1, 3), position, image_size=size).eval()
    whole = timm.create_model(name, num_classes=0, img_size=size).eval()
    state = backbone.network.model.state_dict()
    if position == 'hub':
        assert state['pos_embed'].shape == (1, 1370, 384)
        state['pos_embed'] = hub_position(state['pos_embed'], size // 14)
    whole.load_state_dict(state)
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        early, last = backbone(images)
        tokens = whole.forward_features(images)[:, whole.num_prefix_tokens:]
        expected = whole.forward_intermediates(images, indices=[3], norm=True, intermediates_only=True)[0]
    side = size // backbone.strides[0]
    assert backbone.channels == (384, 384) and last.shape == (2, 384, side, side)
    torch.testing.assert_close(last, tokens.transpose(1, 2).unflatten(2, (side, side)))
    torch.testing.assert_close(early, expected)


@pytest.mark.parametrize('position', ['timm', 'hub'])
def test_every_parameter_gets_a_gradient_also_where_later_blocks_are_not_needed(position):
    backbone = TimmViT(DINOV2, (2, 5), position, image_size=28)
    sum(m.square().sum() for m in backbone(torch.rand(2, 3, 28, 28))).backward()
    assert len(backbone.network.model.blocks) == 6
    assert not [name for name, p in backbone.named_parameters() if p.grad is None]


@pytest.mark.parametrize('position', ['timm', 'hub'])
def test_weights_of_the_full_grid_are_read_from_a_file(tmp_path, position):
    whole = timm.create_model(DINOV2, num_classes=0)
    torch.save(dict(whole.state_dict(), mask_token=torch.zeros(1, 384)), tmp_path / 'dinov2.pth')
    backbone = TimmViT(DINOV2, position=position, weights=str(tmp_path / 'dinov2.pth'), image_size=56)
    backbone.init_weights()
    resized = timm.create_model(DINOV2, num_classes=0)
    resized.load_state_dict(whole.state_dict())
    resized.set_input_size(img_size=56)
    expected = whole.pos_embed if position == 'hub' else resized.pos_embed
    torch.testing.assert_close(backbone.network.model.pos_embed, expected)
    torch.testing.assert_close(backbone.network.model.blocks[11].mlp.fc2.weight, whole.blocks[11].mlp.fc2.weight)
    with pytest.raises(CapekitError, match="no such file; give a file, 'pretrained' or None"):
        TimmViT(DINOV2, weights='imagenet', image_size=56).init_weights()


def test_hubs_way_gives_edgecapes_features(shared, parity_recipe, tmp_path):
    case = np.load(shared / 'reference/parity/edgecape_1shot.npz')
    state = parity_recipe.state_dict(json.loads(str(case['keys'])), int(case['seed']),
                                     [('encoder_sample.', 'encoder_query.')])
    for ending, gain in json.loads(str(case['gains'])).items():
        for key in state:
            if key.endswith(ending):
                state[key] = state[key] * np.float32(gain)
    prefix = 'encoder_query.'
    torch.save({key.removeprefix(prefix): torch.from_numpy(np.array(value)) for key, value in state.items()
                if key.startswith(prefix)}, tmp_path / 'dinov2.pth')
    backbone = TimmViT(DINOV2, position='hub', weights=str(tmp_path / 'dinov2.pth'), image_size=224).eval()
    backbone.init_weights()
    mean, std = (torch.tensor(value).view(3, 1, 1) / 255 for value in (backbone.mean, backbone.std))
    for column, name in ((-1, 'feature_query'), (0, 'feature_first_support')):
        images = torch.from_numpy(case['images'])[:, column].permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            features, = backbone((images - mean) / std)
        np.testing.assert_allclose(features[:, :8], case[f'out/stage/{name}'], rtol=0, atol=1e-4)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(name='vit_smal'), "'vit_smal' is not known to timm"),
    (dict(name='resnet18'), "'resnet18' is not a plain ViT; for convolutional and Swin networks: "
                            "backbone=dict(_delete_=True, type='TimmPyramid'"),
    (dict(image_size=256), 'image_size=256: not a multiple of its patches of 14 pixels; nearest: 252 or 266'),
    (dict(image_size=5), 'nearest: 14'),
    (dict(position='bilinear'), "position='bilinear' is not one of timm, hub"),
    (dict(name=DINOV3, position='hub'), "position='hub' is for DINOv2 without registers; use 'timm'"),
    (dict(name=REGISTERS, position='hub'), "position='hub' is for DINOv2 without registers; use 'timm'"),
    (dict(blocks=(12,)), 'has the blocks 0 to 11'),
    (dict(blocks=(-1, 11)), 'name each once'),
    (dict(blocks=()), 'has the blocks 0 to 11'),
])
def test_errors_name_what_would_do(options, message):
    with pytest.raises(CapekitError) as error:
        TimmViT(**options)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_a_vit_in_a_pyramid_is_an_error_that_names_this_class():
    with pytest.raises(CapekitError, match="is not a pyramid.*type='TimmViT'"):
        TimmPyramid(DINOV2, strides=(14,))


def test_crops_of_another_size_are_refused():
    with pytest.raises(CapekitError, match='built for crops of 56 pixels and got 28 x 28'):
        TimmViT(image_size=56)(torch.rand(1, 3, 28, 28))
