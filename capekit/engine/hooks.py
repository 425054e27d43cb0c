"""Hooks for mmengine's runner: random numbers per epoch, learning rates of parts, plain checkpoints, a progress bar.

`CapeRunner` always has the first, the third and the last, so no config has to name them.
"""

import logging
import sys
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from capekit.checkpoint import plain
from capekit.choices import Count, Positive, Size, checked
from capekit.errors import CapekitError
from capekit.progress import Bar
from capekit.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds torch at the start of every epoch from (seed, epoch, rank).

    Dropout in an epoch then depends on nothing before it: a run that was killed and resumed from its last checkpoint
    ends with the same weights as one that was not. A run resumed in the middle of an epoch goes on with the random
    numbers stored in the checkpoint.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        seed = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()]).generate_state(1, np.uint64)[0]
        torch.manual_seed(int(seed >> np.uint64(1)))
        if runner.epoch == 0:
            # Version 0.1.0 drew this number here to start the data loader; it keeps what was trained then.
            torch.empty((), dtype=torch.int64).random_()

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        states, runner.random_states = runner.random_states, None
        if states is not None:
            set_random_state(states[get_rank()])


def random_state() -> dict:
    """The state of torch's random generators in this process, as tensors."""
    state = dict(cpu=torch.get_rng_state())
    return dict(state, cuda=torch.cuda.get_rng_state()) if torch.cuda.is_available() else state


def set_random_state(state: dict) -> None:
    """Go on from a `random_state`."""
    torch.set_rng_state(state['cpu'])
    if torch.cuda.is_available() and 'cuda' in state:
        torch.cuda.set_rng_state(state['cuda'])


@HOOKS.register_module()
class PartRateHook(Hook):
    """Lets parts of a model learn at a fraction of their rate in some epochs, to wait for their input or to hold still.

    mmengine's `lr_mult` applies to a whole run; this is applied on top of it and of the schedules.

    Args:
        parts: prefixes of parameter names, such as 'backbone' or 'head.query_layers'. They need optimiser groups of
            their own, which any `optim_wrapper.paramwise_cfg` creates.
        factor: of the learning rate, above 0.
        begin, end: the epochs begin <= epoch < end, counted from 0; an end of None is the end of the run.

    Raises:
        CapekitError: a factor of 0 or less; when training starts, a part that does not exist or shares its groups.
    """

    @checked
    def __init__(self, parts: Sequence[str], factor: Positive, begin: Count = 0, end: Size | None = None):
        self.parts, self.factor, self.begin, self.end = tuple(parts), factor, begin, end

    def before_train(self, runner) -> None:
        self._groups(runner)

    def before_train_epoch(self, runner) -> None:
        # At the two ends only: in between, a checkpoint contains the changed rate.
        for epoch, factor in ((self.begin, self.factor), (self.end, 1 / self.factor)):
            if runner.epoch == epoch:
                for group in self._groups(runner):
                    group['lr'] *= factor

    def _groups(self, runner) -> list:
        groups = runner.optim_wrapper.param_groups
        chosen = {}
        for part in self.parts:
            chosen.update({id(parameter): part for name, parameter in runner.model.named_parameters()
                           if f'{name.removeprefix("module.")}.'.startswith(f'{part}.')})
            if part not in chosen.values():
                raise CapekitError(f'PartRateHook: the model has no part {part!r}')
        inside = [[id(parameter) in chosen for parameter in group['params']] for group in groups]
        if any(any(of_group) and not all(of_group) for of_group in inside):
            raise CapekitError(f'PartRateHook: {self.parts[0]!r} shares its learning rate with other parts; write '
                               f"optim_wrapper.paramwise_cfg=dict(custom_keys={{'{self.parts[0]}': dict(lr_mult=1)}})")
        return [group for group, of_group in zip(groups, inside, strict=True) if any(of_group)]


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Writes checkpoints that torch reads with `weights_only=True`: tensors, numbers, strings, lists and dicts.

    mmengine stores its log history in a checkpoint as objects, which torch refuses to read back from 2.6 on. Here they
    are turned into dicts of lists when saving and back into objects when loading.
    """

    # After mmengine's own hooks, which still add to the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        hub = checkpoint.get('message_hub')
        if hub is not None:
            hub['log_scalars'] = {name: _buffer_to_plain(buffer) for name, buffer in hub['log_scalars'].items()}
        for name in list(checkpoint):
            checkpoint[name] = plain(checkpoint[name], name)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        hub = checkpoint.get('message_hub')
        if hub is not None:
            hub['log_scalars'] = {name: HistoryBuffer(value['values'], value['counts'], value['max_length'])
                                  for name, value in hub['log_scalars'].items()}


def _buffer_to_plain(buffer: HistoryBuffer) -> dict:
    values, counts = buffer.data
    return dict(values=values.tolist(), counts=counts.tolist(), max_length=buffer.max_length)


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """A bar with the time left while training on a terminal; elsewhere mmengine's log lines give it (`eta`)."""

    priority = 'LOW'

    def __init__(self):
        self._bar = None

    def before_train(self, runner) -> None:
        if not Bar.wanted():
            return
        self._bar = Bar('train', runner.max_iters, runner.iter)
        # Log lines go above the bar: rich has redirected stdout.
        self._handlers = [h for h in runner.logger.handlers if type(h) is logging.StreamHandler]
        self._streams = [handler.setStream(sys.stdout) for handler in self._handlers]

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if self._bar is not None:
            self._bar.update(runner.iter + 1, f'epoch {runner.epoch + 1}/{runner.max_epochs}  '
                                              f'loss {float(outputs["loss"]):.3f}')

    def after_train(self, runner) -> None:
        if self._bar is not None:
            self._bar.stop()
            for handler, stream in zip(self._handlers, self._streams, strict=True):
                handler.setStream(stream)
            self._bar = None
