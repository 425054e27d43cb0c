"""Plain vision transformers from timm as backbones: DINOv2, DINOv3 and their relatives."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from capekit.choices import Size, checked
from capekit.errors import CapekitError
from capekit.models.backbones.timm_network import TimmNetwork, create
from capekit.registry import MODELS


@MODELS.register_module()
class TimmViT(TimmNetwork):
    """Patch tokens of some blocks of a plain ViT, as feature maps; class and register tokens are left out.

    All maps have the patch size as stride and come in block order. The network's final norm is applied to each of them,
    as in DINOv2's `get_intermediate_layers(norm=True)`.

    Args:
        name: timm's name, such as `vit_small_patch14_dinov2.lvd142m`, `vit_small_patch16_dinov3.lvd1689m`.
        blocks: blocks whose output to return, numbered from 0, or from -1 for the last. Later blocks are removed.
        position: how a learned position embedding is resampled to the crop's grid. 'timm': once, when weights are
            loaded, antialiased. 'hub': in every pass, by torch.hub's formula for DINOv2 (see `hub_position`); the
            parameter keeps its own grid, as in the authors' files.
        weights: None (random), 'pretrained' (downloaded by timm when training starts) or the path of a local file
            (.pth or .safetensors) with timm's parameter names.
        image_size: side of the crops in pixels, a multiple of the patch size; None = timm's for the name.
        frozen: it does not learn: no parameter requires a gradient, and none is computed.

    Attributes:
        channels: of the maps.

    Raises:
        CapekitError: unknown name, block or way of resampling, a network that is not a plain ViT, a crop size that is
            not a multiple of the patch size, weights that cannot be downloaded, read or matched.
    """

    PUBLISHED = 'pretrained'

    @checked
    def __init__(self, name: str = 'vit_small_patch14_dinov2.lvd142m', blocks: Sequence[int] = (-1,),
                 position: Literal['timm', 'hub'] = 'timm', weights: str | None = None, image_size: Size | None = None,
                 frozen: bool = False):
        model = create(name, num_classes=0)
        from timm.models.eva import Eva
        from timm.models.vision_transformer import VisionTransformer
        if not isinstance(model, (VisionTransformer, Eva)):
            raise CapekitError(f'backbone {name!r} is not a plain ViT; for convolutional and Swin networks: '
                               "backbone=dict(_delete_=True, type='TimmPyramid', name=...)")
        if position == 'hub' and (model.pos_embed is None or model.num_prefix_tokens != 1 or model.no_embed_class):
            raise CapekitError(f"backbone {name!r}: position='hub' is for DINOv2 without registers; use 'timm'")
        patch, size = model.patch_embed.patch_size[0], image_size or model.patch_embed.img_size[0]
        if size % patch or size < patch:
            near = ' or '.join(str(n * patch) for n in (size // patch, size // patch + 1) if n)
            raise CapekitError(f'backbone {name!r} cannot take image_size={size}: not a multiple of its patches of '
                               f'{patch} pixels; nearest: {near} (image_size, at the top of a config)')
        if position == 'hub':
            model.patch_embed.set_input_size(img_size=(size, size))
        else:
            model = create(name, num_classes=0, img_size=size)
        blocks = _block_numbers(name, blocks, len(model.blocks))
        model.prune_intermediate_layers(blocks)
        super().__init__(_BlockMaps(model, blocks), name, weights, size)
        self.requires_grad_(not frozen)
        self.position, self.grid = position, size // patch
        self.strides, self.channels = (patch,) * len(blocks), (model.embed_dim,) * len(blocks)

    def _adapt(self, given: dict) -> dict:
        own = self.network.model.pos_embed
        if self.position == 'hub' or own is None or 'pos_embed' not in given:
            return given
        from timm.layers.pos_embed import resample_abs_pos_embed
        model = self.network.model
        return dict(given, pos_embed=resample_abs_pos_embed(
            given['pos_embed'], new_size=[self.grid, self.grid],
            num_prefix_tokens=0 if model.no_embed_class else model.num_prefix_tokens))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised float -> list of (N, C, H / patch, W / patch)."""
        self._check_crops(images)
        if self.position == 'timm':
            return self.network(images)
        position = hub_position(self.network.model.pos_embed, self.grid)
        return functional_call(self.network, {'model.pos_embed': position}, (images,))


class _BlockMaps(nn.Module):
    """A ViT whose forward returns maps."""

    model: Any

    def __init__(self, model: Any, blocks: list):
        super().__init__()
        self.model, self.blocks, self.pretrained_cfg = model, blocks, model.pretrained_cfg

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.model.forward_intermediates(
            images, indices=self.blocks, norm=True, output_fmt='NCHW', intermediates_only=True)


def hub_position(embedding: Tensor, size: int) -> Tensor:
    """A position embedding resampled to a grid of another size, as `torch.hub`'s DINOv2 without registers computes it.

    Bicubic without antialiasing. The scale is (size + 0.1) / m, so that output i samples the old grid at
    (i + 0.5) * m / (size + 0.1) - 0.5.

    Args:
        embedding: (1, 1 + m * m, C); the class token's comes first and stays.
        size: of the new grid.

    Returns:
        (1, 1 + size * size, C).
    """
    side = round((embedding.shape[1] - 1) ** 0.5)
    if side == size:
        return embedding
    grid = embedding[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    scale = (size + 0.1) / side
    grid = F.interpolate(grid.float(), scale_factor=(scale, scale), mode='bicubic', recompute_scale_factor=False)
    return torch.cat((embedding[:, :1], grid.flatten(2).transpose(1, 2).to(embedding.dtype)), 1)


def _block_numbers(name: str, blocks: Sequence[int], count: int) -> list[int]:
    """Block numbers from 0, ascending."""
    numbers = sorted(number + count if number < 0 else number for number in blocks)
    if not numbers or len(set(numbers)) != len(numbers) or numbers[0] < 0 or numbers[-1] >= count:
        raise CapekitError(f'backbone blocks={tuple(blocks)}: {name!r} has the blocks 0 to {count - 1}, or -1 for the '
                           'last; name each once')
    return numbers
