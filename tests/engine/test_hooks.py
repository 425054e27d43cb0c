"""Learning rates of parts of a model, per epoch."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from capekit.engine import PartRateHook
from capekit.errors import CapekitError


@pytest.fixture
def runner():
    """A model with three parts, each parameter in its own group as mmengine makes them; the rate is 1."""
    model = nn.ModuleDict(dict(back=nn.Linear(2, 2), backbone=nn.Linear(2, 2), head=nn.ModuleDict(dict(
        pyramid=nn.Linear(2, 2), layers=nn.Linear(2, 2)))))
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0),
                                              paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1)))))
    return SimpleNamespace(model=model, optim_wrapper=wrapper, epoch=0)


def _rates(runner) -> dict:
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    return {names[id(group['params'][0])].rsplit('.', 1)[0]: round(group['lr'], 6)
            for group in runner.optim_wrapper.optimizer.param_groups}


def test_rates_change_in_the_epochs_named(runner):
    hook = PartRateHook(['backbone', 'head.layers'], 0.1, begin=1, end=3)
    hook.before_train(runner)
    for epoch, rate in enumerate((1, 0.1, 0.1, 1, 1)):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        assert _rates(runner) == {'back': 1, 'backbone': rate, 'head.pyramid': 1, 'head.layers': rate}


def test_schedules_go_on_from_the_changed_rate(runner):
    hook, schedule = PartRateHook(['backbone'], 0.1), torch.optim.lr_scheduler.ExponentialLR(
        runner.optim_wrapper.optimizer, 0.5)
    hook.before_train_epoch(runner)
    runner.optim_wrapper.optimizer.step()
    schedule.step()
    assert _rates(runner)['backbone'] == 0.05 and _rates(runner)['head.layers'] == 0.5


def test_wrong_parts_are_named(runner):
    with pytest.raises(CapekitError, match="the model has no part 'bone'"):
        PartRateHook(['backbone', 'bone'], 0.1).before_train(runner)
    with pytest.raises(CapekitError, match='factor=0 must be a number, above 0'):
        PartRateHook(['backbone'], 0)
    runner.optim_wrapper = build_optim_wrapper(runner.model, dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0)))
    with pytest.raises(CapekitError, match="'backbone' shares its learning rate .*paramwise_cfg"):
        PartRateHook(['backbone'], 0.1).before_train(runner)
