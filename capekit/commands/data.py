"""The data that a config describes, for commands that look at them."""

from typing import Any

from mmengine.config import Config

from capekit.datasets import TestPlan
from capekit.engine.config import build, check_config
from capekit.engine.loops import EvaluationData
from capekit.errors import CapekitError
from capekit.registry import DATA_SAMPLERS, DATASETS


def loader_of(config: Config, stage: str) -> dict:
    """The config's `<stage>_dataloader`.

    Raises:
        CapekitError: there is none.
    """
    if config.get(f'{stage}_dataloader') is None:
        raise CapekitError(f'config {config.filename} has no {stage}_dataloader')
    return config[f'{stage}_dataloader']


def evaluation_data(config: Config, stage: str, **options: Any) -> tuple[Any, TestPlan]:
    """The data set of a validation or a test, and its plan, with other `options` of the sampler where not None.

    Raises:
        CapekitError: no such data in the config, or options that the sampler does not have or refuses.
    """
    loader = loader_of(config, stage)
    sampler = dict(loader['sampler'], **{name: value for name, value in options.items() if value is not None})
    check_config(sampler, f'{stage}_dataloader.sampler', DATA_SAMPLERS)
    data = EvaluationData(build(DATASETS, loader['dataset'], f'{stage}_dataloader.dataset'), sampler)
    return data.dataset, data.sampler.plan
