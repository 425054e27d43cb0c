"""The crop size, stated once: from a config's `image_size` to its data sets, and from them to its model."""

from collections.abc import Iterator, Sequence
from inspect import Parameter
from typing import Any

from mmengine.config import Config, ConfigDict

from capekit.errors import CapekitError
from capekit.registry import DATASETS, MODELS, find_option

STAGES = ('train', 'val', 'test')


def expand_image_size(config: Config, cfg_options: dict | None = None) -> None:
    """Write a config's top-level `image_size` into every data set that states none, and remove it from the top level.

    A later call with another `image_size` replaces that of an earlier call. A config without data sets passes it to the
    model.

    Args:
        config: changed in place.
        cfg_options: overrides that have been applied to it; an `image_size` among them must have an effect.

    Raises:
        CapekitError: an override that every data set overrides.
    """
    size, before = config.pop('image_size', None), config.get('_image_size')
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise CapekitError(f'image_size={size!r}: give the side of the crops in pixels, such as 256')
    places = list(_datasets(config, STAGES)) or [('model', model) for model in [config.get('model')] if model]
    taking = [place for _, place in places if place.get('image_size', before) == before]
    for place in taking:
        place['image_size'] = size
    if not taking and 'image_size' in (cfg_options or ()):
        keys = ' '.join(f'{where}.image_size={size}' for where, _ in places)
        raise CapekitError(f'--cfg-options image_size={size} has no effect, because the config states each crop size '
                           f'itself; set instead: {keys}')
    config['_image_size'] = size


def sized_model(config: Config, stages: Sequence[str]) -> dict:
    """The config of the model, set up for the crops of the data sets of `stages`.

    Raises:
        CapekitError: no model; data sets, or a data set and the model, with different crop sizes.
    """
    model = config.get('model')
    if not model:
        raise CapekitError(f'config {config.filename}: model is missing')
    if 'type' not in model or find_option(MODELS, model, 'image_size') is None:
        return model
    sizes = {where: dataset['image_size'] if 'image_size' in dataset else option.default
             for where, dataset in _datasets(config, stages) if (option := _image_size(dataset))}
    if model.get('image_size') is not None:
        sizes['model'] = model.image_size
    if len(set(sizes.values())) > 1:
        stated = ', '.join(f'{where}.image_size={size}' for where, size in sizes.items())
        raise CapekitError(f'crops of different sizes in one run: {stated}; state one image_size at the top of the '
                           'config, or the same for each')
    return ConfigDict(model, image_size=next(iter(sizes.values()))) if sizes else model


def stage_to_answer(config: Config) -> list[str]:
    """The stage whose crops an estimator built outside a run answers: test if there is one."""
    return [stage for stage in reversed(STAGES) if next(_datasets(config, [stage]), None)][:1]


def _datasets(config: Config, stages: Sequence[str]) -> Iterator[tuple[str, ConfigDict]]:
    """The dotted key and config of each data set of the stages that cuts crops, wrapped ones included."""
    for stage in stages:
        where = f'{stage}_dataloader.dataset'
        yield from _within(where, (config.get(f'{stage}_dataloader') or {}).get('dataset'))


def _within(where: str, part: Any) -> Iterator[tuple[str, ConfigDict]]:
    if isinstance(part, (list, tuple)):
        for index, item in enumerate(part):
            yield from _within(f'{where}.{index}', item)
    elif isinstance(part, dict):
        if _image_size(part) is not None:
            yield where, part
        for key in ('dataset', 'datasets'):  # of a wrapper
            yield from _within(f'{where}.{key}', part.get(key))


def _image_size(dataset: dict) -> Parameter | None:
    try:
        return find_option(DATASETS, dataset, 'image_size') if 'type' in dataset else None
    except ImportError:  # a missing package is reported when the config is checked
        return None
