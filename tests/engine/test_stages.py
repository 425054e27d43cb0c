"""Stages in one run: which one, with which rate, and with a fresh optimiser."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from capekit.engine import TrainingStagesHook
from capekit.errors import CapekitError


class Head(nn.Linear):
    """Remembers its stages."""

    def set_stage(self, stage):
        self.stage = stage


@pytest.fixture
def runner():
    model = nn.ModuleDict(dict(head=Head(1, 1)))
    model.head = model['head']
    optimizer = torch.optim.Adam(model.parameters(), 1.0)
    return SimpleNamespace(model=model, epoch=0, iter=0, max_epochs=6, train_dataloader=range(4),
                           optim_wrapper=SimpleNamespace(optimizer=optimizer, param_groups=optimizer.param_groups),
                           logger=SimpleNamespace(info=lambda text: None))


def _run(hook, runner, first=0):
    """Stage, rates and number of optimiser states of each epoch."""
    hook.before_train(runner)
    told = []
    for epoch in range(first, runner.max_epochs):
        runner.epoch, runner.iter = epoch, 4 * epoch
        hook.before_train_epoch(runner)
        states, rates = len(runner.optim_wrapper.optimizer.state), []
        for batch in range(4):
            runner.iter = 4 * runner.epoch + batch
            hook.before_train_iter(runner, batch)
            rates.append(round(runner.optim_wrapper.param_groups[0]['lr'], 4))
            runner.model.head(torch.ones(1)).backward()
            runner.optim_wrapper.optimizer.step()
        told.append((runner.model.head.stage, rates, states))
    return told


def test_each_stage_starts_like_a_run(runner):
    told = _run(TrainingStagesHook(dict(a=2, b=1), warmup=5, warmup_factor=0.2), runner)
    rising, full = [[0.2, 0.4, 0.6, 0.8], [1.0] * 4], [1.0] * 4
    assert [stage for stage, _, _ in told] == ['a'] * 4 + ['b'] * 2
    assert [rates for _, rates, _ in told] == [*rising, full, full, *rising]
    assert [states > 0 for _, _, states in told] == [False, True, True, True, False, True]


def test_a_resumed_run_goes_on_in_its_stage(runner):
    hook = TrainingStagesHook(dict(a=2, b=1), warmup=5, warmup_factor=0.2)
    whole = _run(hook, runner)
    runner.optim_wrapper.param_groups[0]['lr'] = 0.5  # as a checkpoint left it
    again = _run(hook, runner, first=5)
    assert [told[:2] for told in again] == [told[:2] for told in whole[5:]]


def test_shorter_runs_keep_the_proportions(runner):
    hook = TrainingStagesHook(dict(base=100, skeleton=100, bias=100))
    assert hook._begins(300) == [(0, 'base'), (100, 'skeleton'), (200, 'bias')]
    assert hook._begins(3) == [(0, 'base'), (1, 'skeleton'), (2, 'bias')]
    assert hook._begins(1) == [(0, 'skeleton')]


def test_a_head_without_stages_is_named(runner):
    runner.model.head = nn.Linear(1, 1)
    with pytest.raises(CapekitError, match='the head of this model has no stages'):
        TrainingStagesHook(dict(a=1)).before_train(runner)


class Halves(nn.Module):
    """One half learns in each stage."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)

    def set_stage(self, stage):
        self.a.requires_grad_(stage == 'a')
        self.b.requires_grad_(stage == 'b')

    def forward(self, value):
        return self.a(value) + self.b(value)


def test_processes_synchronise_what_learns_in_a_stage(runner, tmp_path):
    """A wrapper made for all parameters would wait for gradients that never come."""
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/meet', rank=0, world_size=1)
    try:
        model = nn.ModuleDict(dict(head=Halves()))
        model.head, model.forward = model['head'], model['head'].forward
        learning = []

        def wrap(config, model):
            learning.append({name.split('.')[1] for name, value in model.named_parameters() if value.requires_grad})
            return torch.nn.parallel.DistributedDataParallel(model)
        runner.model, runner.cfg, runner.wrap_model = wrap(None, model), {}, wrap
        hook = TrainingStagesHook(dict(a=2, b=1))
        hook.before_train(runner)
        for epoch in range(3):
            runner.epoch, runner.iter = 2 * epoch, 8 * epoch
            hook.before_train_epoch(runner)
            for _ in range(2):  # the second forward fails where the first waits for gradients
                runner.model(torch.ones(1)).backward()
        assert learning == [{'a', 'b'}, {'a'}, {'b'}]
    finally:
        torch.distributed.destroy_process_group()


def test_a_run_resumed_within_the_first_epoch_of_a_stage_keeps_its_optimiser(runner):
    hook = TrainingStagesHook(dict(a=2, b=1))
    _run(hook, runner)
    runner.epoch, runner.iter = 4, 17
    hook.before_train_epoch(runner)
    assert runner.model.head.stage == 'b' and len(runner.optim_wrapper.optimizer.state)
