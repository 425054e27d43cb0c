"""Values in a config that do nothing or harm, refused by their dotted key when it is read.

What capekit's classes accept stands in their annotations (`capekit.choices`). mmengine's and torch's say only which
type they want, so bounds for their options stand here; what needs several options is tried out on one parameter.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from mmengine.dist import init_dist
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from capekit import registry
from capekit.choices import (
    Ascending,
    Count,
    Fraction,
    Positive,
    Range,
    Seed,
    Share,
    Size,
    Weight,
    annotations,
    refuse_invalid,
)
from capekit.engine.options import keys_read, parameters, refuse_unknown, resolve
from capekit.errors import CapekitError

_FOREIGN = ('mmengine', 'torch')
_Momentum = Annotated[float, Range(low=0, below=1)]
_PART = dict(lr_mult=Weight, decay_mult=Weight)
_PARAMWISE = {**dict.fromkeys(keys_read(DefaultOptimWrapperConstructor, 'self.paramwise_cfg'), Weight),
              'custom_keys': dict, 'bypass_duplicate': bool}
# What mmengine's and torch's classes do not say about their own options.
_BOUNDS: dict[Registry, dict[str, Any]] = {
    registry.LOOPS: dict(max_epochs=Size, max_iters=Size, val_interval=Size, val_begin=Size),
    registry.OPTIMIZERS: dict(lr=Positive, weight_decay=Weight, momentum=_Momentum, eps=Weight, alpha=Share,
                              betas=tuple[_Momentum, _Momentum]),
    registry.OPTIM_WRAPPERS: dict(accumulative_counts=Size, optimizer=dict),
    registry.PARAM_SCHEDULERS: dict(
        begin=Count, end=Size, gamma=Positive, milestones=Annotated[Sequence[Size], Ascending()], step_size=Size,
        T_max=Size | None, eta_min=Weight | None, eta_min_ratio=Share | None, factor=Positive, power=Positive,
        start_factor=Annotated[float, Range(above=0, high=1)], end_factor=Share, total_steps=Size, eta_max=Positive),
    registry.HOOKS: dict(
        interval=Size | Literal[-1], max_keep_ckpts=Size | Literal[-1], save_begin=Count, momentum=Fraction,
        gamma=Positive, begin_iter=Count, begin_epoch=Count, patience=Count, min_delta=Weight, interval_exp_name=Size,
        rule=Literal['greater', 'less'] | Sequence[Literal['greater', 'less']] | None),
    registry.LOG_PROCESSORS: dict(window_size=Size, num_digits=Count)}
_LOADER = dict(batch_size=Size, num_workers=Count, prefetch_factor=Size | None, num_batch_per_epoch=Size | None,
               timeout=Weight, persistent_workers=bool, pin_memory=bool, drop_last=bool, shuffle=bool, dataset=dict,
               sampler=dict, collate_fn=dict | Callable)
# type -> function, bounds, what must be stated.
_CLIPPING: dict[str, tuple] = dict(
    norm=(clip_grad_norm_, dict(max_norm=Positive, norm_type=Positive | Literal['inf']), 'max_norm'),
    value=(clip_grad_value_, dict(clip_value=Positive), 'clip_value'))
# What mmengine takes out before it builds a schedule, and how an optimiser computes, which depends on the device.
_NOT_TRIED = ('type', 'convert_to_iter_based', '_scope_', 'fused', 'foreach', 'capturable')
# Dicts at the top level of a config that mmengine's functions read: how they take their values, and bounds.
_READERS: dict[str, dict[str, Any]] = {
    'env_cfg': dict(cudnn_benchmark=bool, mp_cfg=dict, dist_cfg=dict, resource_limit=Size),
    'env_cfg.mp_cfg': dict(mp_start_method=Literal['fork', 'spawn', 'forkserver'], opencv_num_threads=Count),
    'env_cfg.dist_cfg': dict(timeout=Positive, backend=str),
    'randomness': dict(seed=Seed | None, diff_rank_seed=bool, deterministic=bool),
    'auto_scale_lr': dict(enable=bool, base_batch_size=Size),
    'compile': dict(fullgraph=bool, dynamic=bool | None, backend=str, options=dict | None, disable=bool,
                    mode=Literal['default', 'reduce-overhead', 'max-autotune', 'max-autotune-no-cudagraphs', None])}
# What the sections of a config are, where the runner would also take objects.
_SECTIONS: dict[str, Any] = {
    **dict.fromkeys((f'{stage}_{part}' for stage in ('train', 'val', 'test')
                     for part in ('dataloader', 'cfg', 'evaluator')), dict | None),
    **dict.fromkeys(('model', 'optim_wrapper', 'default_hooks', 'visualizer'), dict | None),
    'param_scheduler': dict | Sequence[dict] | None, 'custom_hooks': Sequence | None, 'find_unused_parameters': bool,
    'compile': bool | dict | None}
_LEVEL = Literal['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG']


def check_typed(options: Mapping, target: Any, parent: Registry, where: str) -> None:
    """Refuse values of a typed dict whose `type` is `target`, of the registry `parent`."""
    allowed: dict[str, Any] = {}
    owners = [owner for owner in reversed(target.__mro__) if '__init__' in vars(owner)] if inspect.isclass(target) \
        else [target]
    for owner in owners:
        allowed.update(annotations(owner.__init__ if inspect.isclass(owner) else owner))
        allowed.update(_BOUNDS.get(parent, {}) if _foreign(owner) else {})
    values = {name: value for name, value in options.items() if name != 'type'}
    if not _foreign(target):
        defaults = {name: option.default for name, option in inspect.signature(target).parameters.items()
                    if option.default is not option.empty}
        values = {**defaults, **values}
    refuse_invalid(values, allowed, f'{where}.')
    if parent is registry.OPTIM_WRAPPERS:
        _check_optim_wrapper(options, where)
    elif parent in (registry.OPTIMIZERS, registry.PARAM_SCHEDULERS) and _foreign(target):
        _try_out(options, target, parent, where)


def check_read(options: Mapping, where: str) -> None:
    """Refuse values of a dict that one of mmengine's functions reads."""
    if where.endswith('_dataloader'):
        refuse_invalid(options, _LOADER, f'{where}.')
        if options.get('prefetch_factor') and not options.get('num_workers'):
            raise CapekitError(f'{where}.prefetch_factor={options["prefetch_factor"]} needs num_workers, 1 or more')
    refuse_invalid(options, _READERS.get(where, {}), f'{where}.')
    if where == 'auto_scale_lr' and options.get('enable') and 'base_batch_size' not in options:
        raise CapekitError(f'{where}: base_batch_size, the batch size that the learning rate is for, is missing')


def check_top(config: Mapping) -> None:
    """Refuse values of options at the top level, which mmengine's runner takes."""
    allowed = {**annotations(Runner.__init__), **_SECTIONS, 'log_level': _LEVEL}
    refuse_invalid(config, allowed, 'config: ')
    hooks = config.get('default_hooks') or {}
    refuse_invalid(hooks, dict.fromkeys(hooks, dict | None), 'default_hooks.')


def nested_keys(where: str) -> list | None:
    """Keys of a dict that an option of another one holds; None for any other dict."""
    if where == 'env_cfg.mp_cfg':
        return _names(set_multi_processing, 'distributed')
    if where == 'env_cfg.dist_cfg':
        return _names(init_dist, 'launcher') + _names(torch.distributed.init_process_group)
    return None


def refuse_unused_keys(config: Mapping, model: nn.Module) -> None:
    """Raise a CapekitError at a key of `paramwise_cfg.custom_keys` that is in no parameter's name."""
    wrapper = config.get('optim_wrapper') or {}
    if 'constructor' in wrapper:
        return
    names = [name for name, _ in model.named_parameters()]
    for key in (wrapper.get('paramwise_cfg') or {}).get('custom_keys', {}):
        if not any(key in name for name in names):
            parts = sorted({'.'.join(name.split('.')[:2]) for name in names} | {name.split('.')[0] for name in names})
            near = difflib.get_close_matches(key, parts, 1, 0.5)
            hint = f'did you mean {near[0]!r}? ' if near else ''
            raise CapekitError(f'optim_wrapper.paramwise_cfg.custom_keys: no parameter of the model has {key!r} in its '
                               f'name; {hint}parts: {", ".join(parts)}')


def _foreign(target: Any) -> bool:
    return target.__module__.partition('.')[0] in _FOREIGN


def _check_optim_wrapper(options: Mapping, where: str) -> None:
    if options.get('clip_grad') is not None:
        _check_clipping(options['clip_grad'], f'{where}.clip_grad')
    optimizer, paramwise = options.get('optimizer'), options.get('paramwise_cfg')
    if optimizer is None and 'constructor' not in options:
        raise CapekitError(f'{where}: optimizer is missing')
    if not paramwise or 'constructor' in options or not isinstance(optimizer, Mapping):
        return
    where = f'{where}.paramwise_cfg'
    refuse_unknown(paramwise, _PARAMWISE, where, "mmengine's constructor")
    refuse_invalid(paramwise, _PARAMWISE, f'{where}.')
    _check_multiples(paramwise, optimizer, where)
    target = resolve(optimizer.get('type'), registry.OPTIMIZERS, 'optim_wrapper.optimizer.type')
    for key, part in paramwise.get('custom_keys', {}).items():
        inside = f'{where}.custom_keys.{key}'
        refuse_invalid({inside: part}, {inside: dict}, '')
        refuse_unknown(part, [*_PART, *(parameters(target) or part)], inside, 'a part of the model')
        refuse_invalid(part, {**_PART, **_BOUNDS[registry.OPTIMIZERS]}, f'{inside}.')
        _check_multiples(part, optimizer, inside)


def _check_multiples(options: Mapping, optimizer: Mapping, where: str) -> None:
    """A factor of something that the optimiser's config does not state."""
    for name in (name for name in options if name.endswith('_mult')):
        base = 'weight_decay' if 'decay' in name else 'lr'
        if base not in optimizer:
            raise CapekitError(f'{where}.{name}={options[name]!r} multiplies optim_wrapper.optimizer.{base}, which the '
                               'config does not state')


def _check_clipping(options: Any, where: str) -> None:
    refuse_invalid({where: options}, {where: dict}, '')
    kind = options.get('type', 'norm')
    refuse_invalid({'type': kind}, {'type': Literal[tuple(_CLIPPING)]}, f'{where}.')
    function, bounds, needed = _CLIPPING[kind]
    refuse_unknown(options, _names(function, 'parameters'), where, function.__name__)
    refuse_invalid(options, {**annotations(function), **bounds}, f'{where}.')
    if needed not in options:
        raise CapekitError(f'{where}: {needed} is missing')


def _try_out(options: Mapping, target: Any, parent: Registry, where: str) -> None:
    """Build an optimiser or a schedule for one parameter: they check how their options go together themselves."""
    weights = [nn.Parameter(torch.zeros(1))]
    options = {name: value for name, value in options.items() if name not in _NOT_TRIED}
    try:
        target(weights if parent is registry.OPTIMIZERS else torch.optim.SGD(weights, lr=1.0), **options)
    except (ValueError, TypeError, AssertionError, ZeroDivisionError, OverflowError) as error:
        raise CapekitError(f'{where}: {target.__name__}: {error}') from None


def _names(function: Callable, *without: str) -> list:
    return [name for name, option in inspect.signature(function).parameters.items()
            if name not in without and option.kind in (option.POSITIONAL_OR_KEYWORD, option.KEYWORD_ONLY)]
