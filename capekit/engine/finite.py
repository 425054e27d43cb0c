"""What a training step must be: its loss a finite number, and something in it to learn from.

Where the loss is not finite the run stops before the step, and what made it is kept in a file for `capekit replay`.
"""

import os
from dataclasses import fields
from typing import Any

import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook

from capekit.checkpoint import not_finite, plain, save_checkpoint
from capekit.engine.distributed import unwrapped
from capekit.engine.hooks import random_state
from capekit.errors import CapekitError
from capekit.registry import HOOKS
from capekit.structures import Episode

SHOWN = 8
"""Episodes named in an error; the file has all of them."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a run whose loss or weights are not finite; warns where a loss is 0 because nothing is supervised.

    Raises:
        CapekitError: in the iteration whose loss is nan or infinite, or at a checkpoint of such weights.
    """

    priority = 'NORMAL'

    def __init__(self):
        self._batch: Any = None
        self._random_state: dict = {}
        self._place = dict(iter=0, epoch=0)
        self._empty, self._batches = 0, 0

    def before_train(self, runner) -> None:
        wrappers = getattr(runner.optim_wrapper, 'optim_wrappers', dict(optimizer=runner.optim_wrapper))
        for wrapper in wrappers.values():
            self._check_before(wrapper, runner)

    def _check_before(self, wrapper, runner) -> None:
        """Look at every loss before `wrapper` makes a step of it."""
        update = wrapper.update_params

        def checked(loss, *args, **kwargs):
            if not torch.isfinite(loss).all():
                self._stop(runner, f'the loss is {float(loss.detach())}')
            update(loss, *args, **kwargs)
        wrapper.update_params = checked

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        self._batch, self._random_state = data_batch, random_state()
        self._place = dict(iter=runner.iter, epoch=runner.epoch)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self._batches += 1
        loss = (outputs or {}).get('loss')
        if isinstance(loss, torch.Tensor) and not loss.detach().any() and isinstance(data_batch, Episode):
            self._empty += not _supervised(data_batch)

    def after_train_epoch(self, runner) -> None:
        if self._empty and is_main_process():
            runner.logger.warning(
                f'the loss was exactly 0 in {self._empty} of {self._batches} batches of epoch {runner.epoch + 1}: no '
                'keypoint is labelled (v above 0) both in their supports and in their query, so nothing was learnt '
                'from them')
        self._empty, self._batches = 0, 0

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if self._batch is not None and (broken := not_finite(checkpoint['state_dict'])):
            self._stop(runner, f'{len(broken)} parameters are not finite, e.g. {broken[0]!r}')

    def _stop(self, runner, what: str) -> None:
        model = unwrapped(runner.model)
        rank = f'_rank{get_rank()}' if get_rank() else ''
        number, epoch = self._place['iter'] + 1, self._place['epoch'] + 1
        path = os.path.join(runner.work_dir, f'not_finite_iter{number}{rank}.pt')
        known = isinstance(self._batch, Episode)
        named = describe(self._batch, runner.train_dataloader.dataset) if known else 'a batch that is no Episode'
        save_checkpoint(dict(
            state_dict=model.state_dict(), batch=episode_to_plain(self._batch) if known else None,
            random_state=self._random_state, meta=dict(self._place, seed=runner.seed, named=named)), path)
        raise CapekitError(f'iteration {number} (epoch {epoch}): {what}; {named}; weights and batch are in {path}, see '
                           f'capekit replay {path} {runner.config_file(runner.work_dir)}')


def describe(episode: Episode, dataset: Any) -> str:
    """The episodes of a batch in words: category, id, annotation ids (supports -> query)."""
    words = []
    for meta in episode.meta[:SHOWN]:
        numbers = meta.get('instances', ())
        ids = [dataset.instance(number)['annotation_id'] if hasattr(dataset, 'instance') else number
               for number in numbers]
        words.append(f"'{meta.get('category')}' (id {meta.get('category_id')}) annotations "
                     f'{", ".join(map(str, ids[:-1]))} -> {ids[-1] if ids else ""}')
    more = f' and {len(episode) - SHOWN} more' if len(episode) > SHOWN else ''
    return f'episodes {"; ".join(words)}{more}'


def episode_to_plain(episode: Episode) -> dict:
    """An episode as what weights-only loading takes."""
    return {field.name: plain(getattr(episode, field.name), field.name) for field in fields(Episode)}


def _supervised(episode: Episode) -> bool:
    return bool((episode.support_visible.any(1) & episode.query_visible).any())
