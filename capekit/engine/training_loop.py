"""mmengine's training loops, which can also be resumed in the middle of an epoch."""

from mmengine.runner import loops

from capekit.registry import LOOPS


@LOOPS.register_module()
class EpochBasedTrainLoop(loops.EpochBasedTrainLoop):
    """As mmengine's; a run resumed in the middle of an epoch goes on with the batches that were left of it."""

    done = 0
    """Batches of the current epoch that were trained on before the run was resumed."""

    def run_epoch(self) -> None:
        """Train on what is left of the epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done, self.done = self.done, 0
        for index, batch in enumerate(self.dataloader):
            if index >= done:
                self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def validation_is_due(self) -> bool:
        """Whether the loop validates at the end of the epoch that has just ended."""
        self._decide_current_val_interval()
        return (not self.done and self._epoch >= self.val_begin
                and (self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs))


@LOOPS.register_module()
class IterBasedTrainLoop(loops.IterBasedTrainLoop):
    """As mmengine's."""

    def validation_is_due(self) -> bool:
        """Whether the loop validates after the iteration that has just ended."""
        self._decide_current_val_interval()
        return (self._iter >= self.val_begin
                and (self._iter % self.val_interval == 0 or self._iter == self._max_iters))
