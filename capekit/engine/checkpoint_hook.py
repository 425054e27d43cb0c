"""mmengine's checkpoint hook, changed so that a kill at any moment leaves a whole checkpoint to resume from."""

import os
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import ConfigDict
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import checkpoint_hook

from capekit.checkpoint import first_line, read_checkpoint
from capekit.engine.hooks import random_state
from capekit.errors import CapekitError
from capekit.files import atomic_write, remove_partial
from capekit.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(checkpoint_hook.CheckpointHook):
    """As mmengine's, with the same options.

    Checkpoints, `last_checkpoint` and the best checkpoints are written beside their places and then renamed; what they
    replace is removed last. A run resumed from a checkpoint whose validation had not ended validates first. The best
    checkpoint is looked for in this run's folder, which may have been copied or moved.
    """

    _default_greater_keys = [*checkpoint_hook.CheckpointHook._default_greater_keys, 'PCK']
    _default_less_keys = [*checkpoint_hook.CheckpointHook._default_less_keys, 'NME', 'EPE', 'unscored_rows']
    _outdated: tuple = ()
    _best_before: tuple = ()

    def before_train(self, runner) -> None:
        """Clear up after a kill; validate what was not."""
        super().before_train(runner)
        if is_main_process():
            remove_partial(self.out_dir)
        if not runner.iter:
            return
        hub = runner.message_hub
        step = runner.epoch if self.by_epoch else runner.iter
        self.last_ckpt = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        self._set_best({key: path and str(Path(self.out_dir, Path(path).name))
                        for key, path in self._get_best().items()}, hub)
        if is_main_process():
            self._remove(name for name in hub.runtime_info.get('outdated', ()))
            for path in Path(self.out_dir).glob('best_*.pth'):
                try:
                    read_checkpoint(path)
                except CapekitError as error:
                    runner.logger.warning(f'{error}; removed')
                    path.unlink()
        loop = runner.train_loop
        if (runner.val_loop is not None and hub.runtime_info.get('validated') != runner.iter
                and getattr(loop, 'validation_is_due', bool)()):
            runner.logger.info('The checkpoint was not validated before the run ended: validating it now')
            runner.val_loop.run()

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        """Save, then point to what was saved, then remove what it replaces."""
        outdated = {Path(path).name for path in self._best_before if path not in self._get_best().values()}
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated.add(self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.message_hub.update_info('outdated', sorted(outdated))  # a kill before the last line is made up for
        # Those of a resumed run that have not been used yet are still to be used.
        states = runner.random_states or all_gather_object(random_state())
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=dict(meta, random_states=states),
            by_epoch=self.by_epoch, backend_args=self.backend_args, **self.args)
        if is_main_process():
            with atomic_write(os.path.join(runner.work_dir, 'last_checkpoint')) as file:
                file.write(self.last_ckpt.encode())
            self._remove(outdated)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        """Save better ones before the previous are removed.

        Raises:
            CapekitError: a metric of `save_best` is not among `metrics`.
        """
        runner.message_hub.update_info('validated', runner.iter)
        if not self.save_best:
            return
        for name in self.key_indicators:
            if name not in metrics and name != 'auto':
                raise CapekitError(f'save_best={name!r} is not a metric of this validation; valid: '
                                   f'{", ".join(metrics)}')
        before = self._get_best()
        self._best_before = tuple(path for path in before.values() if path)
        self._set_best(dict.fromkeys(before))  # mmengine would remove them first
        super()._save_best_checkpoint(runner, metrics)
        best = {key: path or before.get(key) for key, path in self._get_best().items()}
        self._set_best(best)
        if is_main_process():
            self._remove(Path(path).name for path in self._best_before if path not in best.values())
        self._best_before = ()

    def _get_best(self) -> dict:
        """Metric -> path of its best checkpoint, None where there is none yet."""
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {self.key_indicators[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best(self, best: dict, hub=None) -> None:
        """The reverse, also into the message hub where one is given."""
        if not best:
            return
        single = len(self.key_indicators) == 1
        if single:
            self.best_ckpt_path = next(iter(best.values()))
        else:
            self.best_ckpt_path_dict = dict(best)
        for key, path in best.items():
            if hub is not None and path:
                hub.update_info('best_ckpt' if single else f'best_ckpt_{key}', path)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            path = self.file_backend.join_path(self.out_dir, Path(name).name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)


def check_checkpoint_hook(options: dict | None, evaluator) -> None:
    """Refuse what the checkpoint hook of a config cannot do, before a run starts.

    Args:
        options: `default_hooks.checkpoint` of a config.
        evaluator: of the validation; None if there is none. One with `metrics` tells the names for `save_best`.

    Raises:
        CapekitError: options that the hook refuses, a metric that the evaluator does not give, a rule that would keep
            the worst.
    """
    if not options:
        return
    where = 'default_hooks.checkpoint'
    try:
        hook = HOOKS.build(ConfigDict({name: value for name, value in options.items() if name != 'priority'}))
    except Exception as error:  # assertions and several others of mmengine's
        raise CapekitError(f'{where}: {first_line(error)}') from None
    known = getattr(evaluator, 'metrics', None)
    if not getattr(hook, 'save_best', None) or evaluator is None or known is None:
        return
    for name, rule in zip(hook.save_best, hook.rules, strict=True):
        if name == 'auto':
            continue
        if name not in known:
            raise CapekitError(f'{where}: save_best={name!r} is not a metric of {type(evaluator).__name__}; valid: '
                               f'{", ".join(known)}')
        if known[name] != rule:
            raise CapekitError(f'{where}: rule={rule!r} for save_best={name!r} would keep the worst; the best values '
                               f'are the {known[name]} ones')
