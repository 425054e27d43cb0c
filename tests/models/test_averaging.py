"""Averages of weights: the formula, and what is refused."""

import math

import pytest
import torch
from torch import nn

from capekit.errors import CapekitError
from capekit.models import ExpMomentumEMA


def test_momentum_falls_exponentially():
    model = nn.Linear(1, 1, bias=False)
    average = ExpMomentumEMA(model, momentum=0.1, gamma=3)
    expected = None
    for step in range(5):
        nn.init.constant_(model.weight, step)
        average.update_parameters(model)
        momentum = 0.9 * math.exp(-(1 + step) / 3) + 0.1
        expected = step if expected is None else (1 - momentum) * expected + momentum * step
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)


def test_wrong_gamma_is_named():
    with pytest.raises(CapekitError, match='gamma=0 must be a number, above 0'):
        ExpMomentumEMA(nn.Linear(1, 1), gamma=0)
    assert torch.equal(ExpMomentumEMA(model := nn.Linear(1, 1)).module.weight, model.weight)
