"""Averages of a model's weights over training, for mmengine's `EMAHook(ema_type=...)`."""

import math

import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from capekit.choices import Fraction, Positive, Size, checked
from capekit.registry import MODELS


@MODELS.register_module()
class ExpMomentumEMA(ExponentialMovingAverage):
    """YOLOX's moving average, which follows the model closely at first: its momentum falls exponentially to `momentum`.

    After `steps` updates the momentum is (1 - momentum) * exp(-(1 + steps) / gamma) + momentum. mmdet and mmpose
    provide it under the same name.

    Args:
        model: the model whose weights are averaged.
        momentum: final weight of the newest model.
        gamma: number of updates in which the rest falls to 1 / e, above 0.
        interval: iterations between updates.
        device: where the average is stored; None = the model's device.
        update_buffers: average the buffers too, instead of copying them.

    Raises:
        CapekitError: a momentum outside 0 to 1, a gamma of 0 or less.
    """

    @checked
    def __init__(self, model: nn.Module, momentum: Fraction = 0.0002, gamma: Positive = 2000, interval: Size = 1,
                 device: torch.device | None = None, update_buffers: bool = False):
        super().__init__(model, momentum, interval, device, update_buffers)
        self.gamma = gamma

    def avg_func(self, averaged_param: torch.Tensor, source_param: torch.Tensor, steps: int) -> None:
        momentum = (1 - self.momentum) * math.exp(-(1 + float(steps)) / self.gamma) + self.momentum
        averaged_param.lerp_(source_param, momentum)
