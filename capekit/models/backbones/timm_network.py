"""What all timm networks share as backbones: how they are built, what input they expect, how weights are loaded."""

from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from capekit.errors import CapekitError
from capekit.models.backbones.lite import LITE, lite_weights


def create(name: str, **options) -> Any:  # a timm module, whose attributes are untyped
    """`timm.create_model` with random weights; for an unknown name, a CapekitError lists similar ones."""
    import timm  # heavy: imported only where used
    try:
        return timm.create_model(name, **options)
    except RuntimeError as error:
        near = ', '.join(timm.list_models(f'*{name.split(".")[0][:6]}*')[:8]) or 'see timm.list_models()'
        raise CapekitError(f'backbone name {name!r} is not known to timm ({error}); similar: {near}') from None


class TimmNetwork(BaseModule):
    """A timm network that returns feature maps; a subclass defines which.

    Args:
        network: timm's module.
        name: timm's name.
        weights: None (random), `PUBLISHED` (those that timm's name stands for, downloaded when training starts, never
            when a checkpoint is loaded) or the path of a local file (.pth or .safetensors).
        image_size: side of the square crops that the network was built for, in pixels; None = any.

    Attributes:
        mean, std: of RGB in 0..255, for normalising the input of the published weights.
    """

    PUBLISHED = 'imagenet'

    network: Any

    def __init__(self, network: Any, name: str, weights: str | None, image_size: int | None):
        super().__init__()
        # Only the memory layout: convolutions are faster in this one, above all in mixed precision.
        self.network = network.to(memory_format=torch.channels_last)
        self.name, self.weights, self.image_size = name, weights, image_size
        self.mean = tuple(255 * value for value in network.pretrained_cfg['mean'])
        self.std = tuple(255 * value for value in network.pretrained_cfg['std'])

    def init_weights(self) -> None:
        """Load `weights`; called once, before training starts."""
        if self.weights is None or self.is_init:
            return
        given = self._adapt(self._read(self.weights))
        own = {key: next((file_key for file_key in self._file_keys(key) if file_key in given), self._file_keys(key)[-1])
               for key in self.state_dict()}
        missing = [file_key for file_key in own.values()
                   if file_key not in given and not file_key.endswith('num_batches_tracked')]
        wrong = [own[key] for key, value in self.state_dict().items()
                 if own[key] in given and given[own[key]].shape != value.shape]
        if missing or wrong:
            raise CapekitError(f'backbone weights {self.weights!r} do not fit {self.name}: {len(missing)} keys '
                               f'missing, {len(wrong)} of another shape, first {(missing + wrong)[0]!r}')
        self.load_state_dict({key: given[own[key]] for key in own if own[key] in given}, strict=False)
        self._is_init = True

    def _read(self, weights: str) -> dict:
        """Weights under the names that the file gives them."""
        if weights == self.PUBLISHED:
            return lite_weights(self.name) if self.name.split('.')[0] in LITE else self._fetch()
        if not Path(weights).is_file():
            raise CapekitError(f'backbone weights {weights!r}: no such file; '
                               f'give a file, {self.PUBLISHED!r} or None')
        from capekit.checkpoint import read_checkpoint, state_dict_of
        content = read_checkpoint(weights)
        if isinstance(content, dict) and isinstance(content.get('model'), dict):  # Microsoft's and torch's own scripts
            content = content['model']
        return state_dict_of(content, weights)

    def _fetch(self) -> dict:
        import timm
        try:
            return timm.create_model(self.name, pretrained=True).state_dict()
        except Exception as error:  # timm and its hub client raise many types for "unreachable" and "no such weights"
            raise CapekitError(
                f'weights of {self.name!r} could not be downloaded ({type(error).__name__}); get the file once '
                'and set model.backbone.weights=FILE, or None to start from random weights') from error

    def _adapt(self, given: dict) -> dict:
        """Convert weights made for another crop size to this one."""
        return given

    def _file_keys(self, key: str) -> tuple[str, ...]:
        """The names that a parameter may have in a file: timm's, without and with what its wrappers change."""
        key = key.removeprefix('network.').removeprefix('model.')
        child, _, rest = key.partition('.')
        parent, _, index = child.rpartition('_')
        # A pyramid flattens the stages of a sequence: layers.0.x is called layers_0.x.
        return (key, f'{parent}.{index}.{rest}') if parent and index.isdigit() else (key,)

    def _check_crops(self, images: Tensor) -> None:
        """Refuse crops of a size other than the network was built for."""
        if self.image_size is not None and tuple(images.shape[-2:]) != (self.image_size, self.image_size):
            height, width = images.shape[-2:]
            raise CapekitError(f'backbone {self.name!r} was built for crops of {self.image_size} pixels and got '
                               f'{width} x {height}; set image_size to the size of the crops')


def refusal(network: nn.Module, image_size: int) -> str | None:
    """Why a network cannot take square crops of `image_size` pixels; None if it can."""
    for module in network.modules():
        grid, window = getattr(module, 'input_resolution', None), getattr(module, 'window_size', None)
        # timm pads such a map with zeros that take part in the attention.
        if isinstance(grid, tuple) and isinstance(window, tuple) and (grid[0] % window[0] or grid[1] % window[1]):
            return f'its windows of {window[0]} x {window[1]} cells do not fill a map of {grid[0]} x {grid[1]}'
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        return str(error).splitlines()[0]
    finally:
        network.train()
    return None
