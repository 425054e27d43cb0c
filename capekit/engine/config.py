"""Reading configs; an unknown type or option is an error that names the valid ones."""

import difflib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from capekit import registry
from capekit.errors import CapekitError
from capekit.shipped import find_config

# Which registry a typed dict belongs to, by the key it stands under; nested ones inherit their parent's.
_REGISTRIES = dict(
    model=registry.MODELS, dataset=registry.DATASETS, sampler=registry.DATA_SAMPLERS,
    batch_sampler=registry.DATA_SAMPLERS, collate_fn=registry.FUNCTIONS, train_cfg=registry.LOOPS,
    val_cfg=registry.LOOPS, test_cfg=registry.LOOPS, val_evaluator=registry.EVALUATOR,
    test_evaluator=registry.EVALUATOR, default_hooks=registry.HOOKS, custom_hooks=registry.HOOKS,
    optim_wrapper=registry.OPTIM_WRAPPERS, optimizer=registry.OPTIMIZERS, param_scheduler=registry.PARAM_SCHEDULERS,
    visualizer=registry.VISUALIZERS, vis_backends=registry.VISBACKENDS, log_processor=registry.LOG_PROCESSORS)
# Read by mmengine before the class is called.
_RESERVED = {'type', '_scope_', 'convert_to_iter_based'}
_OPTIM_WRAPPER = ('constructor', 'paramwise_cfg')
# What mmengine's default constructor reads of `paramwise_cfg`; it passes over anything else in silence.
_PARAMWISE = ('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult',
              'bypass_duplicate', 'dwconv_decay_mult', 'dcn_offset_lr_mult')


def load_config(config: str | Path | Config, cfg_options: dict | None = None) -> Config:
    """Read a config file, apply overrides, check every name in it.

    Args:
        config: path, `configs/...` of a shipped one in any folder, or a config already loaded (it is copied).
        cfg_options: overrides by dotted key.

    Raises:
        CapekitError: no such file, not a config, an override of a key whose parent is no dict, unknown names.
    """
    if not isinstance(config, Config):
        config = find_config(config)
        try:
            config = Config.fromfile(str(config))
        except (SyntaxError, KeyError, TypeError, AttributeError, NameError, OSError, ValueError) as error:
            raise CapekitError(f'config {config}: {type(error).__name__}: {error}') from None
    else:
        config = config.copy()
    if cfg_options:
        try:
            config.merge_from_dict(cfg_options)
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise CapekitError(f'--cfg-options {cfg_options}: {error}') from None
    check_config(config)
    return config


def build(parent: Registry, config: dict, where: str) -> Any:
    """Build one typed dict after checking it; `where` is its dotted key, for messages."""
    check_config(config, where, parent)
    return parent.build(ConfigDict(config))


def check_config(config: Any, where: str = '', parent: Registry | None = None) -> None:
    """Walk a config and raise a CapekitError at the first unknown type or option."""
    if isinstance(config, (list, tuple)):
        for index, item in enumerate(config):
            check_config(item, f'{where}[{index}]', parent)
        return
    if not isinstance(config, (dict, Config)):
        return
    if not where:
        from mmengine.runner import Runner
        valid = [*_parameters(Runner), 'runner_type']
        _refuse_unknown((key for key in config if not key.startswith('_')), valid, 'config', 'config')
    elif where.endswith('_dataloader'):
        from torch.utils.data import DataLoader
        _refuse_unknown(config, _parameters(DataLoader), where, 'a data loader')
    elif where == 'optim_wrapper.paramwise_cfg':
        _refuse_unknown(config, _PARAMWISE, where, "mmengine's constructor")
    elif 'type' in config and parent is not None:
        target = _resolve(config['type'], parent, where)
        if target is not None:
            valid = _parameters(target)
            if where == 'optim_wrapper' and valid is not None:
                valid = [*valid, *_OPTIM_WRAPPER]
            _refuse_unknown(config, valid, where, target.__name__)
    for key, value in config.items():
        child = f'{where}.{key}' if where else key
        # A dict inside a typed one that names no type of its own is that type's business.
        check_config(value, child, _REGISTRIES.get(key, parent))


def _resolve(name: Any, parent: Registry, where: str):
    """The class or function behind a `type`; None where it is one of another package, which that package checks."""
    if not isinstance(name, str):
        return name
    try:
        target = parent.get(name)
    except ImportError as error:  # mmpose's models need full mmcv and mmdet
        raise CapekitError(f'{where}.type: {name!r} cannot be had: {error}; install what that package needs') from None
    if target is not None:
        return target
    own, level = [], parent
    while level is not None:
        level.import_from_location()
        own, level = own + list(level.module_dict), level.parent
    near = difflib.get_close_matches(name, own, 3, 0.5)
    valid = sorted(parent.module_dict) or sorted(set(own))
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    scope = f' (is the package of {name.split(".")[0]!r} installed?)' if '.' in name else ''
    raise CapekitError(f'{where}.type: {name!r} is not a known {parent.name}{scope}{hint} valid: {", ".join(valid)}')


def _parameters(target: Any) -> list | None:
    """Names of the options that a class or function takes; None where it takes any.

    A `**kwargs` passes options on to the class above, so its own are added.
    """
    names = []
    chain = [c.__init__ for c in target.__mro__ if '__init__' in vars(c)] if inspect.isclass(target) else [target]
    for function in chain:
        if function is object.__init__:
            return names
        parameters = inspect.signature(function).parameters.values()
        names += [p.name for p in parameters
                  if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != 'self']
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return None


def _refuse_unknown(keys: Iterable[str], valid: list | None, where: str, owner: str) -> None:
    if valid is None:
        return
    for key in keys:
        if key in valid or key in _RESERVED:
            continue
        near = difflib.get_close_matches(key, valid, 1, 0.5)
        hint = f'did you mean {near[0]!r}? ' if near else ''
        raise CapekitError(f'{where}: unknown option {key!r} for {owner}; {hint}valid: {", ".join(sorted(set(valid)))}')
