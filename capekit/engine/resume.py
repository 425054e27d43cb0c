"""Going on from a checkpoint: which one, whether it belongs to this run, and where in the run it is."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapperDict

from capekit.checkpoint import not_finite, read_checkpoint
from capekit.errors import CapekitError

# What moves while a schedule runs; everything else in its state is a setting.
_MOVING = {'last_step', '_global_step', '_last_value', 'base_values', 'verbose', 'end', 'best', 'num_bad_steps',
           'cooldown_counter', 'need_val_args'}
# What moves in an optimiser's groups, and how it computes rather than what.
_NO_SETTINGS = {'params', 'lr', 'foreach', 'fused', 'capturable', 'differentiable'}


def find_checkpoint(resume: str, work_dir: str) -> tuple[str, dict, str]:
    """The checkpoint to resume from, its `meta`, and what to tell about the choice ('' if nothing).

    Args:
        resume: a path, or 'auto' for the newest whole checkpoint in the work directory.
        work_dir: of the run. A checkpoint that its `last_checkpoint` names is looked for there first: the folder may
            have been copied or moved.

    Raises:
        CapekitError: there is none, or the one that was asked for cannot be resumed.
    """
    if resume != 'auto':
        return resume, read_resumable(resume)['meta'], ''
    pointer = Path(work_dir) / 'last_checkpoint'
    named = pointer.read_text(errors='replace').strip() if pointer.is_file() else ''
    here = Path(work_dir) / Path(named).name if named else None
    wanted = str(here) if here and here.is_file() else named
    try:
        if not wanted:
            raise CapekitError(f'{pointer}: names no checkpoint')
        return wanted, read_resumable(wanted)['meta'], ''
    except (CapekitError, ValueError, OSError) as error:
        newest = newest_whole(work_dir)
        if newest is None:
            hint = f' ({error})' if pointer.is_file() else ''
            raise CapekitError(f'--resume: no checkpoint in {work_dir}{hint}; give its path, or train without '
                               '--resume') from None
        path, meta = newest
        return path, meta, f'{error}; resuming from {path}, the newest whole checkpoint'


def newest_whole(folder: str) -> tuple[str, dict] | None:
    """Path and `meta` of the checkpoint in a folder that was written last and can be resumed from."""
    found = []
    for path in sorted(Path(folder).glob('*.pth')):
        try:
            meta = read_resumable(str(path))['meta']
        except CapekitError:
            continue
        found.append((str(meta.get('time', '')), meta['iter'], str(path), meta))
    return max(found)[2:] if found else None


def read_resumable(path: str) -> dict:
    """Read a checkpoint that has everything for going on.

    Raises:
        CapekitError: as `read_checkpoint`, or parts are missing.
    """
    return _resumable(read_checkpoint(path), path)


def _resumable(content: Any, path: str) -> dict:
    content = content if isinstance(content, dict) else {}
    if not isinstance(content.get('optimizer'), dict):
        raise CapekitError(f'--resume {path}: holds no optimiser state, so training cannot resume from it; start from '
                           'its weights with --cfg-options load_from=...')
    meta = content.get('meta')
    whole = (isinstance(meta, dict) and all(isinstance(meta.get(key), int) for key in ('epoch', 'iter'))
             and all(isinstance(content.get(key), dict) for key in ('state_dict', 'message_hub')))
    if not whole:
        raise CapekitError(f'--resume {path}: lacks the state of the run (meta, message_hub)')
    if broken := not_finite(content['state_dict']):
        raise CapekitError(f'--resume {path}: {broken[0]!r} holds values that are not finite')
    return content


def facts_of_run(runner) -> dict:
    """What a checkpoint must record so that `resume` can tell whether it belongs to another run."""
    return dict(world_size=get_world_size(), epoch_length=len(runner.train_dataloader),
                optimisers={name: type(wrapper.optimizer).__name__ for name, wrapper, _ in _optimisers(runner)})


def resume(runner, filename: str) -> None:
    """Go on with a runner whose loops, optimisers and schedules are built, as mmengine's `Runner.resume`.

    Unlike there, nothing in the checkpoint is executed, settings that the checkpoint would overwrite in silence are
    refused, and the position within an epoch counts.

    Raises:
        CapekitError: the checkpoint is of another model, optimiser, schedule, seed or data set.
    """
    checkpoint = _resumable(runner.load_checkpoint(filename), filename)
    meta = checkpoint['meta']
    _refuse_changed(runner, checkpoint, filename)
    loop, length = runner.train_loop, meta.get('epoch_length')
    loop._epoch, loop._iter = meta['epoch'], meta['iter']
    if hasattr(loop, 'done') and length:
        loop.done = max(meta['iter'] - meta['epoch'] * length, 0)
        if loop.done and length != len(runner.train_dataloader):
            raise CapekitError(f'--resume {filename}: is from the middle of an epoch of {length} batches; epochs have '
                               f'{len(runner.train_dataloader)} now, so it is not known which were trained on')
    states = meta.get('random_states')
    if meta.get('world_size', get_world_size()) != get_world_size():
        runner.logger.warning(f'{filename} was written by {meta["world_size"]} processes, this run has '
                              f'{get_world_size()}: batches and random numbers differ from an undisturbed run')
    elif states and (not hasattr(loop, 'done') or loop.done):
        runner.random_states = states
    runner.message_hub.load_state_dict(checkpoint['message_hub'])
    for _, wrapper, state in _optimisers(runner, checkpoint['optimizer']):
        wrapper.load_state_dict(state)
    _resume_schedules(runner, checkpoint)
    runner.logger.info(f'resumed epoch: {runner.epoch}, iter: {runner.iter}')


def _optimisers(runner, states: dict | None = None) -> list:
    """(Name, wrapper, its part of `states`) of every optimiser."""
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        return [(name, one, (states or {}).get(name, {})) for name, one in wrapper.optim_wrappers.items()]
    return [('optimizer', wrapper, states or {})]


def _listed(value: Any) -> list:
    """One schedule, a list of them, or a dict of lists by optimiser, as one list; so for their configs and states."""
    values = value.values() if isinstance(value, dict) and 'type' not in value else [value]
    return [item for one in values if one is not None for item in (one if isinstance(one, list) else [one])]


def _schedules(runner, checkpoint: dict) -> list:
    """(Schedule, its config, its state in the checkpoint), in order; as many as both have."""
    built, configs = _listed(runner.param_schedulers), _listed(runner.cfg.get('param_scheduler'))
    states = _listed(checkpoint.get('param_schedulers'))
    # Several optimisers may share one list of configs.
    return list(zip(built, configs * len(built), states, strict=False))


def _refuse_changed(runner, checkpoint: dict, filename: str) -> None:
    changes, meta = [], checkpoint['meta']
    if meta.get('seed') not in (None, runner.seed):
        changes.append(_change('seed', meta['seed'], runner.seed))
    for name, wrapper, state in _optimisers(runner, checkpoint['optimizer']):
        changes += _changed_optimiser(wrapper.optimizer, state, meta.get('optimisers', {}).get(name))
    then, now = len(_listed(checkpoint.get('param_schedulers'))), len(_listed(runner.param_schedulers))
    if then != now:
        changes.append(_change('number of param_scheduler', then, now))
    else:
        for schedule, config, state in _schedules(runner, checkpoint):
            changes += _changed_schedule(schedule, config, state)
    if changes:
        raise CapekitError(f'--resume {filename}: the config has changed since: {"; ".join(dict.fromkeys(changes))}. '
                           f'Change it back, or start from the weights with --cfg-options load_from={filename}')


def _changed_optimiser(optimiser: torch.optim.Optimizer, state: dict, kind: str | None) -> list:
    """What differs between an optimiser and a saved one, each as a phrase."""
    now, then = optimiser.state_dict()['param_groups'], state.get('param_groups')
    if not isinstance(then, list) or not all(isinstance(group, dict) and 'params' in group for group in then):
        return ['the optimiser was another']
    own_kind = type(optimiser).__name__
    if kind not in (None, own_kind) or kind is None and now[0].keys() != then[0].keys():
        return [_change('optimiser', kind or 'of another kind', own_kind)]
    if [len(group['params']) for group in now] != [len(group['params']) for group in then]:
        return [_change('number of parameter groups', len(then), len(now))]
    parameters = [parameter for group in optimiser.param_groups for parameter in group['params']]
    for number, values in state.get('state', {}).items():
        if any(isinstance(value, torch.Tensor) and value.dim() and value.shape != parameters[number].shape
               for value in values.values()):
            return ['the parameters had another order']
    return [_change(key, before[key], after[key]) for before, after in zip(then, now, strict=True)
            for key in after if key in before and key not in _NO_SETTINGS and _differ(before[key], after[key])]


def _changed_schedule(schedule, config: dict, state: dict) -> list:
    name, now = type(schedule).__name__, schedule.state_dict()
    if now.keys() - _MOVING != state.keys() - _MOVING:
        return [f'{name} was of another kind']
    # An end that is not stated follows the length of the run, which may be extended.
    moving = _MOVING - {'end'} if 'end' in config else _MOVING
    return [_change(f'{name}.{key}', state[key], now[key]) for key in now
            if key not in moving and _differ(state[key], now[key])]


def _resume_schedules(runner, checkpoint: dict) -> None:
    for schedule, _, state in _schedules(runner, checkpoint):
        end, was = schedule.end, state['end']
        schedule.load_state_dict(copy.deepcopy(state))
        schedule.end = end
        if was < end and (reached := schedule._global_step) >= was:
            # It had run out, and the run is longer now: take the steps that it left out.
            schedule._global_step = was - 1
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # the optimiser made these steps in an earlier process
                while schedule._global_step < reached:
                    schedule.step()


def _differ(before: Any, after: Any) -> bool:
    if isinstance(after, (list, tuple)) and isinstance(before, (list, tuple)):
        return list(before) != list(after)
    return bool(before != after)


def _change(name: str, before: Any, after: Any) -> str:
    if name.endswith('milestones'):  # counts by milestone
        before, after = sorted(before), sorted(after)
    return f'{name.removeprefix("initial_")} was {before}, is {after}'
