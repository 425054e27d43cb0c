"""Optimiser wrappers."""

from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from mmengine.runner import autocast
from torch import nn

from capekit.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16 on CPUs, which mmengine's own wrapper refuses; bfloat16 needs no loss scaling."""

    @contextmanager
    def optim_context(self, model: nn.Module):
        with super().optim_context(model), autocast(device_type='cpu', enabled=True):
            yield
