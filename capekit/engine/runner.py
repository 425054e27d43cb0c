"""From a checked config to mmengine's runner, for the command line tools."""

import inspect
import itertools
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_distributed
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from torch.utils.data import DataLoader, Sampler

from capekit.checkpoint import fill_model, read_checkpoint
from capekit.engine.config import build
from capekit.engine.crop_size import sized_model
from capekit.engine.hooks import EpochSeedHook, PlainCheckpointHook, ProgressBarHook
from capekit.engine.options import resolve
from capekit.engine.provenance import write_provenance
from capekit.engine.values import refuse_unused_keys
from capekit.errors import CapekitError
from capekit.registry import DATA_SAMPLERS, DATASETS, MODELS, RUNNERS

STAGES = dict(train=('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'),
              val=('val_dataloader', 'val_cfg', 'val_evaluator'),
              test=('test_dataloader', 'test_cfg', 'test_evaluator'))


@RUNNERS.register_module()
class CapeRunner(Runner):
    """mmengine's runner, distributed on CPUs too; the screen shows the progress, the log file has everything.

    Only the file gets the environment, the whole config, the order of the hooks and notes about mmengine's internals.
    `own_hooks` are registered whatever a config says; a config that names one of them replaces it.
    """

    own_hooks = (EpochSeedHook, PlainCheckpointHook, ProgressBarHook)
    _FILE_ONLY = re.compile(
        r'\s*-{20,}\s*System environment|Config:\n|Hooks will be executed|Distributed training is not used|'
        r'Dataset \S+ has no metainfo|"(FileClient|HardDiskBackend)"|Data of \w+: ')

    def build_logger(self, *args, **kwargs):
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not self._FILE_ONLY.match(record.getMessage()))
        return logger

    def scale_lr(self, optim_wrapper, auto_scale_lr=None):
        """As mmengine's, which forgets that batches are accumulated."""
        counts = getattr(optim_wrapper, '_accumulative_counts', 1)
        if auto_scale_lr and 'base_batch_size' in auto_scale_lr:
            auto_scale_lr = dict(auto_scale_lr, base_batch_size=auto_scale_lr['base_batch_size'] / counts)
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def wrap_model(self, model_wrapper_cfg, model):
        if self.distributed and not torch.cuda.is_available():  # mmengine would pass a GPU number
            unused = self.cfg.get('find_unused_parameters', False)
            model_wrapper_cfg = {**(model_wrapper_cfg or dict(find_unused_parameters=unused)), 'device_ids': None}
        return super().wrap_model(model_wrapper_cfg, model)

    def register_hooks(self, default_hooks=None, custom_hooks=None):
        super().register_hooks(default_hooks, custom_hooks)
        for own in self.own_hooks:
            if not any(isinstance(hook, own) for hook in self._hooks):
                self.register_hook(own())

    @staticmethod
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False):
        """As mmengine's, but `num_batch_per_epoch` shortens what the sampler yields, whatever the data set's length."""
        if isinstance(dataloader, DataLoader) or dataloader.get('num_batch_per_epoch') is None:
            return Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        options = dict(dataloader)
        batches, sampler = options.pop('num_batch_per_epoch'), options['sampler']
        if isinstance(sampler, dict):
            sampler = DATA_SAMPLERS.build(sampler, default_args=dict(
                dataset=options['dataset'], seed=None if diff_rank_seed else seed))
        options['sampler'] = _ShortEpoch(sampler, batches * options['batch_size'])
        return Runner.build_dataloader(options, seed, diff_rank_seed)

    def load_checkpoint(self, filename, map_location='cpu', strict=True, revise_keys=()):
        """Read plain data, never code, and fill the whole model or nothing; mmengine's `resume` goes on from it.

        Where the tensors lie (`map_location`) and partial loading do not matter here: both copy onto the model.
        """
        checkpoint = read_checkpoint(filename)
        if isinstance(checkpoint, dict):
            # mmengine parses the config in a checkpoint, and a config is code.
            checkpoint = dict(checkpoint, meta={key: value for key, value in checkpoint.get('meta', {}).items()
                                                if key != 'config'})
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        fill_model(self.model.module if is_model_wrapper(self.model) else self.model, checkpoint, filename)
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def _init_model_weights(self):
        """Nothing left to do: `build_runner` has initialised the weights before anything was written."""


class _ShortEpoch(Sampler):
    """The first `length` items that another sampler yields in an epoch."""

    def __init__(self, sampler: Sampler, length: int):
        self.sampler, self.length = sampler, min(length, len(sampler))  # type: ignore[arg-type]  # ours have a length

    def set_epoch(self, epoch: int):
        """Called by mmengine before every epoch; the sampler may lack it."""
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def __iter__(self):
        return itertools.islice(self.sampler, self.length)

    def __len__(self) -> int:
        return self.length


def build_runner(config: Config, stages: Sequence[str], work_dir: str, launcher: str = 'none',
                 model=None) -> Runner:
    """A runner for some of the stages 'train', 'val', 'test' of a checked config.

    Data sets, samplers and the model are built first, so that missing images, categories that are too small or weights
    that do not match end the run before anything is written.

    Args:
        config: from `load_config`.
        stages: what will be run.
        work_dir: created if necessary.
        launcher: one of `LAUNCHERS`.
        model: an estimator that is ready; None builds the config's and initialises it from the seed.

    Raises:
        CapekitError: bad data, unknown names.
    """
    import capekit.evaluation  # noqa: F401  registers evaluators
    init_default_scope('capekit')
    _init_distributed(launcher, config)
    wanted = [key for stage in stages for key in STAGES[stage]]
    runner_type = resolve(config.get('runner_type', 'CapeRunner'), RUNNERS, 'runner_type')
    if not issubclass(runner_type, CapeRunner):
        raise CapekitError(f'runner_type {runner_type.__name__} is not a subclass of capekit.engine.runner.CapeRunner')
    missing = [key for key in wanted if key not in config and key != 'param_scheduler']
    if missing:
        raise CapekitError(f'config {config.filename}: {missing[0]} is missing; the _base_ files define it')
    config.work_dir, config.launcher = str(work_dir), launcher
    for key in [key for keys in STAGES.values() for key in keys if key not in wanted]:
        config.pop(key, None)
    arguments = {name: config[name] for name in inspect.signature(Runner).parameters if name in config}
    for stage in stages:
        loader = config[f'{stage}_dataloader']
        dataset = build(DATASETS, loader.dataset, f'{stage}_dataloader.dataset')
        DATA_SAMPLERS.build(dict(loader.sampler), default_args=dict(dataset=dataset))
        # The runner gets the data set itself, the config keeps its description.
        arguments[f'{stage}_dataloader'] = dict(loader, dataset=dataset)
    if model is None:
        set_random_seed(config.get('randomness', {}).get('seed'))
        model = build(MODELS, sized_model(config, stages), 'model')
        if not config.get('resume'):  # otherwise everything comes from the checkpoint
            model.init_weights()
        refuse_unused_keys(config, model)
    arguments['model'] = model
    runner = runner_type(**arguments, cfg=config)
    for stage in stages:  # the screen had these before there was a log file
        for note in getattr(arguments[f'{stage}_dataloader']['dataset'], 'notes', ()):
            runner.logger.warning(f'Data of {stage}: {note}')
    if int(os.environ.get('RANK', 0)) == 0:
        write_provenance(Path(work_dir))
    return runner


def _init_distributed(launcher: str, config: Config) -> None:
    """Without a GPU, join the process group here: mmengine's own start requires CUDA."""
    if launcher == 'pytorch' and not torch.cuda.is_available() and not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')


def leave_distributed() -> None:
    """End a run: wait for the other processes, so that none exits while another still communicates with it."""
    if is_distributed():
        barrier()
        torch.distributed.destroy_process_group()
