"""Any convolutional network of timm as a backbone."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.model import BaseModule
from torch import Tensor, nn

from capekit.errors import CapekitError
from capekit.registry import MODELS


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """Feature maps of a timm network, fine to coarse.

    Args:
        name: timm's name. `resnet50.tv_in1k` is the network and the ImageNet weights that the CAPE papers use; its
            parameters carry torchvision's names. `hrnet_w32.ms_in1k` has 32, 64, 128, 256 channels at strides 4 to 32.
        strides: of the maps to give, each a power of two that the network has.
        weights: None (random), 'imagenet' (fetched by timm when training starts, never when a checkpoint is loaded)
            or the path of a local file (.pth or .safetensors) with the network's own parameter names.

    Raises:
        CapekitError: unknown name or stride, weights that cannot be fetched, read or matched.
    """

    def __init__(self, name: str = 'resnet50.tv_in1k', strides: Sequence[int] = (32,), weights: str | None = None):
        super().__init__()
        import timm  # heavy: imported where it is used
        # HRNet's maps are taken before the classifier's widening, which would leave modules without a gradient.
        extra = dict(feature_location='') if name.startswith('hrnet') else {}
        try:
            available = timm.create_model(name, features_only=True, **extra).feature_info.reduction()
        except RuntimeError as error:
            near = ', '.join(timm.list_models(f'*{name.split(".")[0][:6]}*')[:8]) or 'see timm.list_models()'
            raise CapekitError(f'backbone name {name!r} is not known to timm ({error}); near it: {near}') from None
        missing = [stride for stride in strides if stride not in available]
        if missing:
            raise CapekitError(f'backbone {name!r} has no map of stride {missing[0]}; it has {available}')
        self.name, self.weights, self.strides = name, weights, tuple(sorted(strides))
        self.network = timm.create_model(
            name, features_only=True, out_indices=[available.index(stride) for stride in self.strides], **extra)
        if name.startswith('hrnet'):
            self._drop_unused_fusions()
        self.channels = tuple(self.network.feature_info.channels())

    def _drop_unused_fusions(self) -> None:
        """HRNet fuses its branches once for every stride. The fusions of maps that are not given would cost time and
        leave parameters without a gradient, which a distributed run refuses.
        """
        fusions = self.network.stage4[-1].fuse_layers
        for index in range(len(fusions)):
            if 4 * 2 ** index not in self.strides:
                fusions[index] = nn.ModuleList([nn.Identity()])

    def init_weights(self) -> None:
        """Load `weights`; mmengine's runner calls this once, before training starts."""
        if self.weights is None or self._is_init:
            return
        if self.weights == 'imagenet':
            state = self._fetch()
        elif Path(self.weights).is_file():
            from capekit.checkpoint import read_checkpoint
            state = read_checkpoint(self.weights)
            state = state.get('state_dict', state)
        else:
            raise CapekitError(f"backbone weights {self.weights!r}: no such file; give a file, 'imagenet' or None")
        own = self.network.state_dict()
        missing = [key for key in own if key not in state and not key.endswith('num_batches_tracked')]
        wrong = [key for key in own if key in state and state[key].shape != own[key].shape]
        if missing or wrong:
            raise CapekitError(f'backbone weights {self.weights!r} do not fit {self.name}: {len(missing)} keys '
                               f'missing, {len(wrong)} of another shape, first {(missing + wrong)[0]!r}')
        self.network.load_state_dict({key: value for key, value in state.items() if key in own}, strict=False)
        self._is_init = True

    def _fetch(self) -> dict:
        import timm
        try:
            return timm.create_model(self.name, pretrained=True).state_dict()
        except Exception as error:  # timm and its hub client raise many kinds for "not reachable" and "no such weights"
            raise CapekitError(
                f'ImageNet weights of {self.name!r} could not be fetched ({type(error).__name__}); download them once '
                'and set model.backbone.weights=FILE, or None to start from random') from error

    def forward(self, images: Tensor) -> list:
        """(N, 3, H, W) normalised float -> list of (N, C_i, H / stride_i, W / stride_i)."""
        return list(self.network(images))
