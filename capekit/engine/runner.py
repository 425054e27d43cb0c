"""From a checked config to mmengine's runner, for the command line tools."""

import contextlib
import functools
import inspect
import itertools
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from torch.utils.data import DataLoader, Sampler

from capekit.checkpoint import fill_model, first_line, fitting_state, read_checkpoint
from capekit.engine.checkpoint_hook import check_checkpoint_hook
from capekit.engine.compiling import compile_parts
from capekit.engine.config import build
from capekit.engine.crop_size import sized_model
from capekit.engine.distributed import join_distributed, lock_for_all, process_errors, unwrapped
from capekit.engine.finite import FiniteLossHook
from capekit.engine.hooks import EpochSeedHook, PlainCheckpointHook, ProgressBarHook
from capekit.engine.logs import compiler_or_none, fall_silent
from capekit.engine.memory import keep_freed_memory
from capekit.engine.options import refuse_frozen, resolve
from capekit.engine.provenance import write_provenance
from capekit.engine.resume import facts_of_run, resume
from capekit.engine.values import refuse_unused_keys
from capekit.errors import CapekitError
from capekit.files import PARTIAL, check_writable
from capekit.locks import Lock
from capekit.registry import DATA_SAMPLERS, DATASETS, EVALUATOR, MODELS, RUNNERS

STAGES = dict(train=('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'),
              val=('val_dataloader', 'val_cfg', 'val_evaluator'),
              test=('test_dataloader', 'test_cfg', 'test_evaluator'))
# Options of a data loader that need workers; without, torch refuses them.
WORKER_OPTIONS = ('persistent_workers', 'timeout')


@RUNNERS.register_module()
class CapeRunner(Runner):
    """mmengine's runner, distributed on CPUs too; the screen shows the progress, the log file has everything.

    Only the file gets the environment, the whole config, the order of the hooks and notes about mmengine's internals.
    `own_hooks` are registered whatever a config says; a config that names one of them replaces it.
    """

    own_hooks = (EpochSeedHook, PlainCheckpointHook, ProgressBarHook, FiniteLossHook)
    random_states: list | None = None
    """Of each rank, to go on from in the next iteration of a resumed run; None = go on as it is."""
    lock: Lock | None = None
    """That keeps other runs out of the work directory, as long as this runner lives."""
    _FILE_ONLY = re.compile(
        r'\s*-{20,}\s*System environment|Config:\n|Hooks will be executed|Distributed training is not used|'
        r'Dataset \S+ has no metainfo|"(FileClient|HardDiskBackend)"|Data of \w+: ')

    def build_logger(self, *args, **kwargs):
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not self._FILE_ONLY.match(record.getMessage()))
            handler.handleError = functools.partial(fall_silent, handler)
        return logger

    def _log_env(self, env_cfg):
        with compiler_or_none():
            super()._log_env(env_cfg)

    def _maybe_compile(self, target):
        if options := self.cfg.get('compile'):
            compile_parts(self.model, {} if options is True else options)

    def scale_lr(self, optim_wrapper, auto_scale_lr=None):
        """As mmengine's, which forgets that batches are accumulated."""
        counts = getattr(optim_wrapper, '_accumulative_counts', 1)
        if auto_scale_lr and 'base_batch_size' in auto_scale_lr:
            auto_scale_lr = dict(auto_scale_lr, base_batch_size=auto_scale_lr['base_batch_size'] / counts)
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def wrap_model(self, model_wrapper_cfg, model):
        if self.distributed and not any(parameter.requires_grad for parameter in model.parameters()):
            return model.to(get_device())  # torch wraps nothing that does not learn
        if self.distributed and not torch.cuda.is_available():  # mmengine would pass a GPU number
            unused = self.cfg.get('find_unused_parameters', False)
            model_wrapper_cfg = {**(model_wrapper_cfg or dict(find_unused_parameters=unused)), 'device_ids': None}
        joined = self.cfg.get('sync_bn')
        if not self.distributed or joined != 'torch':
            return super().wrap_model(model_wrapper_cfg, model)
        from timm.layers.norm_act import convert_sync_batchnorm  # heavy: imported only where used
        try:
            self.cfg.sync_bn = None  # mmengine's would leave out the activations that timm's layers have in BatchNorm
            return super().wrap_model(model_wrapper_cfg, convert_sync_batchnorm(model))
        finally:
            self.cfg.sync_bn = joined

    def register_hooks(self, default_hooks=None, custom_hooks=None):
        super().register_hooks(default_hooks, custom_hooks)
        for own in self.own_hooks:
            if not any(isinstance(hook, own) for hook in self._hooks):
                self.register_hook(own())

    @staticmethod
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False):
        """As mmengine's, but starting it draws nothing from torch's global generator.

        `num_batch_per_epoch` shortens what the sampler yields, whatever the data set's length; options for workers
        have no effect where there are none.
        """
        if isinstance(dataloader, DataLoader):
            return dataloader
        options = dict(generator=torch.Generator(), **dataloader)
        if not options.get('num_workers'):
            options = {name: value for name, value in options.items() if name not in WORKER_OPTIONS}
        batches = options.pop('num_batch_per_epoch', None)
        if batches is not None:
            sampler = options['sampler']
            if isinstance(sampler, dict):
                sampler = DATA_SAMPLERS.build(sampler, default_args=dict(
                    dataset=options['dataset'], seed=None if diff_rank_seed else seed))
            options['sampler'] = _ShortEpoch(sampler, batches * options['batch_size'])
        return Runner.build_dataloader(options, seed, diff_rank_seed)

    def save_checkpoint(self, out_dir, filename, file_client_args=None, save_optimizer=True, save_param_scheduler=True,
                        meta=None, by_epoch=True, backend_args=None):
        """As mmengine's, but completely or not at all: written beside its place, then renamed."""
        meta = dict(meta or {}, **facts_of_run(self))
        local = isinstance(get_file_backend(out_dir, backend_args=backend_args), LocalBackend)
        partial = f'.{filename}{PARTIAL}' if local else filename
        try:
            super().save_checkpoint(out_dir, partial, file_client_args, save_optimizer, save_param_scheduler, meta,
                                    by_epoch, backend_args)
            if local and is_main_process():
                os.replace(os.path.join(out_dir, partial), os.path.join(out_dir, filename))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(out_dir, partial))
            raise CapekitError(f'{os.path.join(out_dir, filename)}: cannot be written ({error.strerror or error})'
                               ) from None

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
        fill_model(unwrapped(self.model), checkpoint, filename)
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def resume(self, filename, resume_optimizer=True, resume_param_scheduler=True, map_location='default'):
        """See `capekit.engine.resume.resume`, which always resumes everything."""
        resume(self, filename)
        self._has_loaded = True

    def load_or_resume(self) -> None:
        """As mmengine's. Only then does the folder say what the run is: one that is refused changes nothing."""
        super().load_or_resume()
        if is_main_process():
            folder = self.work_dir if self._train_loop is not None else self.log_dir
            self.cfg.dump(self.config_file(folder))
            write_provenance(Path(folder))

    def config_file(self, folder: str) -> str:
        """Where in a folder the whole config of this run is written."""
        return os.path.join(folder, os.path.basename(self.cfg.filename or f'{self.timestamp}.py'))

    def dump_config(self) -> None:
        """Nothing yet; see `load_or_resume`."""

    def train(self):
        """As mmengine's.

        Raises:
            CapekitError: also where a data loader worker or another process of the run died.
        """
        with process_errors():
            return super().train()

    def test(self) -> dict:
        """As mmengine's.

        Raises:
            CapekitError: also where a data loader worker or another process of the run died.
        """
        with process_errors():
            return super().test()

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
    keep_freed_memory()
    if 'train' in stages:
        refuse_frozen(config)
    check_writable(work_dir, 'work directory', folder=True)
    join_distributed(launcher, config.get('env_cfg', {}))
    wanted = [key for stage in stages for key in STAGES[stage]]
    runner_type = resolve(config.get('runner_type', 'CapeRunner'), RUNNERS, 'runner_type')
    if not issubclass(runner_type, CapeRunner):
        raise CapekitError(f'runner_type {runner_type.__name__} is not a subclass of capekit.engine.runner.CapeRunner')
    missing = [key for key in wanted if config.get(key) is None and key != 'param_scheduler']
    if missing:
        raise CapekitError(f'config {config.filename}: {missing[0]} is missing; the _base_ files define it')
    config.work_dir, config.launcher = str(work_dir), launcher
    for key in [key for keys in STAGES.values() for key in keys if key not in wanted]:
        config.pop(key, None)
    arguments = {name: config[name] for name in inspect.signature(Runner).parameters if name in config}
    seed = config.get('randomness', {}).get('seed')
    evaluators: dict = {}
    for stage in stages:
        loader = config[f'{stage}_dataloader']
        dataset = build(DATASETS, loader.dataset, f'{stage}_dataloader.dataset')
        DATA_SAMPLERS.build(dict(loader.sampler), default_args=dict(dataset=dataset))
        if isinstance(config.get(f'{stage}_evaluator'), dict):
            evaluators[stage] = build(EVALUATOR, config[f'{stage}_evaluator'], f'{stage}_evaluator')
        # The runner gets the data set itself, the config keeps its description.
        arguments[f'{stage}_dataloader'] = dict(loader, dataset=dataset)
    if 'train' in stages:
        _check_training(config, arguments, runner_type)
        check_checkpoint_hook(config.get('default_hooks', {}).get('checkpoint'), evaluators.get('val'))
    if model is None:
        set_random_seed(seed)
        model = build(MODELS, sized_model(config, stages), 'model')
        if not config.get('resume'):  # otherwise everything comes from the checkpoint
            model.init_weights()
        refuse_unused_keys(config, model)
    if config.get('load_from'):
        fitting_state(model, read_checkpoint(config.load_from), config.load_from)
    arguments['model'] = model
    lock = lock_for_all(os.path.join(work_dir, '.lock'), f'work directory {work_dir}') if 'train' in stages else None
    runner = runner_type(**arguments, cfg=config)
    for stage in stages:  # the screen had these before there was a log file
        for note in getattr(arguments[f'{stage}_dataloader']['dataset'], 'notes', ()):
            runner.logger.warning(f'Data of {stage}: {note}')
    runner.lock = lock
    return runner


def _check_training(config: Config, arguments: dict, runner_type: type[CapeRunner]) -> None:
    """Build what mmengine builds only when training starts, to refuse it before anything is written."""
    loop = arguments['train_cfg']
    if 'type' not in loop:  # mmengine's other form, which would take its own loops
        by_epoch = loop.pop('by_epoch', True)
        loop.type = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
    try:
        loader = runner_type.build_dataloader(arguments['train_dataloader'], seed=0)
    except (ValueError, TypeError, AssertionError) as error:
        raise CapekitError(f'train_dataloader: {first_line(error)}') from None
    if not len(loader):
        raise CapekitError(f'train_dataloader: no batch of {loader.batch_size} in an epoch of {len(loader.sampler)}')
