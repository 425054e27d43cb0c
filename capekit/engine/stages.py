"""Training in stages that follow one another in one run."""

from collections import defaultdict

from mmengine.hooks import Hook

from capekit.choices import Count, Fraction, checked
from capekit.engine.distributed import unwrapped
from capekit.errors import CapekitError
from capekit.registry import HOOKS


@HOOKS.register_module()
class TrainingStagesHook(Hook):
    """Takes the head from stage to stage, each for part of the run and from the weights of the one before.

    A stage begins as a run of its own would: with a fresh optimiser and a warm-up. A resumed run goes on in the stage
    of its epoch. Use no `param_scheduler` beside it: after the warm-up the rate is the optimiser's.

    Args:
        stages: stage -> its part of the run's epochs, in order, such as dict(base=100, skeleton=100, bias=100). The
            parts are relative to each other, so that a run of another length has the same stages.
        warmup: iterations in which the rate rises linearly; 0 = none.
        warmup_factor: of the rate in the first of them.

    Raises:
        CapekitError: when training starts: a head without stages.
    """

    @checked
    def __init__(self, stages: dict[str, int], warmup: Count = 0, warmup_factor: Fraction = 0.001):
        self.stages, self.warmup, self.warmup_factor = dict(stages), warmup, warmup_factor

    def before_train(self, runner) -> None:
        self._stage: str | None = None
        if not hasattr(getattr(unwrapped(runner.model), 'head', None), 'set_stage'):
            raise CapekitError('TrainingStagesHook: the head of this model has no stages')
        self._rates = [group.setdefault('initial_lr', group['lr']) for group in runner.optim_wrapper.param_groups]
        spans = ', '.join(f'{stage} from epoch {begin + 1}' for begin, stage in self._begins(runner.max_epochs))
        runner.logger.info(f'training stages: {spans}')

    def before_train_epoch(self, runner) -> None:
        begin, stage = max(start for start in self._begins(runner.max_epochs) if start[0] <= runner.epoch)
        model = unwrapped(runner.model)
        model.head.set_stage(stage)
        if model is not runner.model and stage != self._stage:
            # The wrapper has fixed which parameters it synchronises: those that learned when it was made.
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)
        self._stage = stage
        self._first = begin * len(runner.train_dataloader)
        if runner.iter == self._first:  # not where a run is resumed within the epoch
            runner.optim_wrapper.optimizer.state = defaultdict(dict)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        done = min(1.0, (runner.iter - self._first) / max(1, self.warmup - 1)) if self.warmup else 1.0
        for group, rate in zip(runner.optim_wrapper.param_groups, self._rates, strict=True):
            group['lr'] = rate * (self.warmup_factor + (1 - self.warmup_factor) * done)

    def _begins(self, epochs: int) -> list:
        """(first epoch, stage) of every stage that has an epoch."""
        parts = list(self.stages.values())
        ends = [round(epochs * sum(parts[:number + 1]) / sum(parts)) for number in range(len(parts))]
        return [(begin, stage) for begin, end, stage in zip([0, *ends], ends, self.stages, strict=False) if begin < end]
