"""Reading configs; an unknown type or option is an error that names the valid ones.

What mmengine accepts is read from mmengine itself: signatures, and the keys that its functions read from a config.
"""

import difflib
import functools
import inspect
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.optim import build_optim_wrapper
from mmengine.registry import Registry, build_scheduler_from_cfg
from mmengine.runner import Priority, Runner, get_priority
from mmengine.utils import import_modules_from_strings
from mmengine.visualization import Visualizer

from capekit import registry
from capekit.engine.bases import check_bases
from capekit.engine.crop_size import expand_image_size
from capekit.engine.options import keys_read, parameters, refuse_unknown, resolve
from capekit.engine.protocol import expand_protocol, renamed
from capekit.engine.values import check_read, check_top, check_typed, nested_keys
from capekit.errors import CapekitError
from capekit.shipped import find_config

# The registry of a typed dict, by the key it stands under; nested ones may inherit their parent's.
_REGISTRIES = dict(
    model=registry.MODELS, data_preprocessor=registry.MODELS, model_wrapper_cfg=registry.MODEL_WRAPPERS,
    dataset=registry.DATASETS, augment=registry.TRANSFORMS, sampler=registry.DATA_SAMPLERS,
    batch_sampler=registry.DATA_SAMPLERS, collate_fn=registry.FUNCTIONS, worker_init_fn=registry.FUNCTIONS,
    train_cfg=registry.LOOPS, val_cfg=registry.LOOPS, test_cfg=registry.LOOPS, val_evaluator=registry.EVALUATOR,
    test_evaluator=registry.EVALUATOR, default_hooks=registry.HOOKS, custom_hooks=registry.HOOKS,
    optim_wrapper=registry.OPTIM_WRAPPERS, optimizer=registry.OPTIMIZERS, param_scheduler=registry.PARAM_SCHEDULERS,
    visualizer=registry.VISUALIZERS, vis_backends=registry.VISBACKENDS, log_processor=registry.LOG_PROCESSORS)
# Registries whose modules contain modules of the same registry, whatever the key is called; other dicts inside a typed
# one are that type's own business (the schedule of a profiler, the kind of gradient clipping).
_NESTING = (registry.MODELS, registry.DATASETS, registry.TRANSFORMS)
# The type of a dict that names none.
_DEFAULT_TYPES = dict(augment='ScaleRotation', log_processor='LogProcessor', optim_wrapper='OptimWrapper',
                      model_wrapper_cfg='MMDistributedDataParallel')
# Dicts of typed dicts, and loops that mmengine tells apart by `by_epoch`.
_UNTYPED = ('default_hooks', 'param_scheduler', 'train_cfg', 'val_cfg', 'test_cfg')
# A top-level name this close to one of ours or mmengine's is taken for a misspelling.
_NEAR = 0.8


def load_config(config: str | Path | Config, cfg_options: dict | None = None) -> Config:
    """Read a config file, apply overrides and `custom_imports`, expand its settings, check every name in it.

    Args:
        config: path, `configs/...` for a shipped one in any folder, or a loaded config (it is copied).
        cfg_options: overrides by dotted key.

    Raises:
        CapekitError: a file that does not exist or is not a config, a circular `_base_`, an override of a key whose
            parent is not a dict, a module that cannot be imported, unknown names, values that do nothing or harm.
    """
    if not isinstance(config, Config):
        if hint := renamed(config):
            raise CapekitError(f'config {config}: no such file{hint}')
        config = find_config(config)
        check_bases(config)
        try:
            config = Config.fromfile(str(config), import_custom_modules=False)
        except Exception as error:  # a config is code
            raise CapekitError(f'config {config}: {_one_line(error)}') from None
    else:
        config = config.copy()
    if cfg_options:
        _announce_unread(config, cfg_options)
        try:
            config.merge_from_dict(cfg_options)
        except (KeyError, TypeError, IndexError, AttributeError, AssertionError) as error:
            raise CapekitError(f'--cfg-options {cfg_options}: {error}') from None
    _import_custom_modules(config)
    check_top(config)
    expand_protocol(config, cfg_options)
    expand_image_size(config, cfg_options)
    check_config(config)
    if config.get('model') and config.get('data_preprocessor'):
        config.model.setdefault('data_preprocessor', config.data_preprocessor)  # as mmengine's runner does
    return config


def build(parent: Registry, config: dict, where: str) -> Any:
    """Build one typed dict after checking it; `where` is its dotted key, for messages."""
    check_config(config, where, parent)
    return parent.build(ConfigDict(config))


def check_config(config: Any, where: str = '', parent: Registry | None = None) -> None:
    """Walk a config and raise a CapekitError at the first unknown type or option.

    At the top level any name may be the user's own, as mmengine allows, unless it nearly matches one of mmengine's;
    what such a variable holds is checked where it is used.
    """
    if isinstance(config, (list, tuple)):
        for index, item in enumerate(config):
            check_config(item, f'{where}[{index}]', parent)
        return
    if not isinstance(config, (dict, Config)) or config.get('_scope_'):  # another package's, which checks it
        return
    key = where.rpartition('.')[2]
    if not where:
        _check_evaluation(config)
        known = _top_level_keys()
        _refuse_near_misses((key for key in config if not key.startswith('_')), known)
        config = {key: value for key, value in config.items() if key in known}
    elif (read := _options_of(where)) is not None:
        refuse_unknown(config, read[0], where, read[1])
        check_read(config, where)
    elif parent is not None and ('type' in config or key in _DEFAULT_TYPES):
        target = resolve(config['type'] if 'type' in config else _DEFAULT_TYPES[key], parent, f'{where}.type')
        valid = parameters(target, config)
        if valid is not None:
            valid = [*valid, *_taken_before(parent)]
        refuse_unknown(config, valid, where, target.__name__)
        _check_priority(config, parent, where)
        check_typed(config, target, parent, where)
        parent = parent if parent in _NESTING else None
    elif parent is not None and key.partition('[')[0] in _REGISTRIES and key not in _UNTYPED:
        raise CapekitError(f'{where}: the type is missing; valid: {", ".join(sorted(parent.module_dict))}')
    for key, value in config.items():
        child = f'{where}.{key}' if where else key
        # `norm_cfg` and the like are turned into something else by the class that takes them.
        inherited = None if key.endswith('_cfg') else parent
        # Every value of `default_hooks` is a hook, also the one called `param_scheduler`.
        check_config(value, child, parent if where == 'default_hooks' else _REGISTRIES.get(key, inherited))


def _announce_unread(config: Config, cfg_options: dict) -> None:
    """A new top-level name is read by a file's other lines; from outside, only code that asks the runner reads it."""
    for name in dict.fromkeys(key.partition('.')[0] for key in cfg_options):
        if name not in config and name not in _top_level_keys():
            print_log(f'{name}, set by --cfg-options, is read by no line of the config {config.filename}', 'current',
                      logging.WARNING)


def _check_evaluation(config: Config) -> None:
    """What evaluation would not read: options of the data loader that its loop does not declare, augmentation."""
    for stage in ('val', 'test'):
        loop, loader = config.get(f'{stage}_cfg'), config.get(f'{stage}_dataloader')
        if loop and loader and 'type' in loop:
            target = resolve(loop['type'], registry.LOOPS, f'{stage}_cfg.type')
            refuse_unknown(loader, getattr(target, 'loader_options', None), f'{stage}_dataloader',
                           f'{target.__name__}, which loads images itself')
            if (loader.get('dataset') or {}).get('augment'):
                raise CapekitError(f'{stage}_dataloader.dataset.augment does nothing: evaluation does not augment; '
                                   'only train_dataloader takes it')


def _import_custom_modules(config: Config) -> None:
    """Run a config's `custom_imports`, so that what a user's package registers is known."""
    settings = config.get('custom_imports')
    if not settings:
        return
    where = f'config {config.filename}: custom_imports'
    if not isinstance(settings, dict):
        raise CapekitError(f"{where}: must be dict(imports=['module', ...]), not {settings!r}")
    check_config(settings, 'custom_imports')
    try:
        import_modules_from_strings(**settings)
    except ImportError as error:
        reason = f' ({_one_line(error.__context__)})' if error.__context__ else ''
        raise CapekitError(f'{where}: {error}{reason}; a module is found where it is installed or its folder is on '
                           'PYTHONPATH') from None
    except Exception as error:  # a module may do anything
        raise CapekitError(f'{where}: {settings["imports"]}: {_one_line(error)}') from None


@functools.cache
def _top_level_keys() -> tuple:
    """What the runner is built from, what else it reads from the config, and what we read."""
    arguments = [name for name in inspect.signature(Runner).parameters if name != 'cfg']
    return (*arguments, *sorted(keys_read(Runner, 'self.cfg')), 'custom_imports', 'image_size', 'protocol',
            'runner_type')


def _options_of(where: str) -> tuple[Iterable[str], str] | None:
    """(valid keys, their owner) for a dict that a function reads; None for any other."""
    if where.endswith('_dataloader'):
        from torch.utils.data import DataLoader
        own = keys_read(Runner.build_dataloader, 'dataloader_cfg')
        return [*inspect.signature(DataLoader).parameters, *own], 'a data loader'
    readers: dict[str, Iterable[str]] = dict(
        env_cfg=keys_read(Runner.setup_env, 'env_cfg'),
        randomness=[name for name in inspect.signature(Runner.set_randomness).parameters if name != 'self'],
        auto_scale_lr=keys_read(Runner.scale_lr, 'auto_scale_lr'),
        compile=[name for name in inspect.signature(torch.compile).parameters if name != 'model'],
        custom_imports=inspect.signature(import_modules_from_strings).parameters)
    if (nested := nested_keys(where)) is not None:
        return nested, where
    return (readers[where], where) if where in readers else None


def _taken_before(parent: Registry) -> frozenset:
    """Options that mmengine takes out of a typed dict before calling the class."""
    if parent is registry.HOOKS:
        return keys_read(Runner.register_hook, 'hook')
    if parent is registry.OPTIM_WRAPPERS:
        return keys_read(build_optim_wrapper, 'optim_wrapper_cfg')
    if parent is registry.PARAM_SCHEDULERS:
        return keys_read(build_scheduler_from_cfg, 'args')
    if parent is registry.VISBACKENDS:
        return keys_read(Visualizer.__init__, 'vis_backend')
    return frozenset()


def _check_priority(config: dict, parent: Registry, where: str) -> None:
    """The priority in a hook's config, which mmengine would check only after everything is built."""
    if parent is registry.HOOKS and config.get('priority') is not None:
        try:
            get_priority(config['priority'])
        except (TypeError, ValueError, KeyError):
            raise CapekitError(f'{where}.priority={config["priority"]!r} is not a priority; valid: 0 to 100, '
                               f'{", ".join(Priority.__members__)}') from None


def _refuse_near_misses(keys: Iterable[str], known: Iterable[str]) -> None:
    """A top-level name may be the user's, but one that is nearly mmengine's would be set and never read."""
    for key in keys:
        near = difflib.get_close_matches(key, known, 1, _NEAR)
        # `evaluator`, which both `val_evaluator` and `test_evaluator` may be built from, is not a typo.
        if near and near[0] != key and not near[0].endswith(f'_{key}'):
            raise CapekitError(f"config: unknown option {key!r} for config; did you mean {near[0]!r}? A variable of "
                               f"your own is safe with a leading underscore: '_{key}'")


def _one_line(error: BaseException) -> str:
    return f'{type(error).__name__}: {(str(error).splitlines() or [""])[0]}'
