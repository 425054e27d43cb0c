"""What an estimator settles for its backbones: the crop size they are built for, the input they expect."""

from torch import nn

from capekit.errors import CapekitError
from capekit.registry import MODELS, find_option


def build_backbone(config: dict, image_size: int | None) -> nn.Module:
    """Build a backbone, passing it the crop size if its class takes one.

    Args:
        config: of a module (N, 3, H, W) -> list of feature maps, fine to coarse.
        image_size: side of the crops in pixels, None if unknown.
    """
    if image_size is not None and find_option(MODELS, config, 'image_size'):
        if config.get('image_size', image_size) != image_size:
            raise CapekitError(f"backbone image_size={config['image_size']}: the crops have {image_size} pixels; "
                               'leave it out')
        config = dict(config, image_size=image_size)
    return MODELS.build(config)


def build_preprocessor(config: dict | None, *backbones: nn.Module) -> nn.Module:
    """Build a data preprocessor whose `mean` and `std` are those of the backbones, unless the config states them.

    Args:
        config: None = `CapePreprocessor`.
        backbones: all networks that see the normalised images.
    """
    config = dict(config or dict(type='CapePreprocessor'))
    for name in ('mean', 'std'):
        wanted = {tuple(getattr(backbone, name)) for backbone in backbones if hasattr(backbone, name)}
        if name in config or not wanted or find_option(MODELS, config, name) is None:
            continue
        if len(wanted) > 1:
            values = ' and '.join(map(str, sorted(wanted)))
            raise CapekitError(f'the backbones expect input of different {name}: {values}; '
                               f'state model.data_preprocessor.{name}')
        config[name] = wanted.pop()
    return MODELS.build(config)
