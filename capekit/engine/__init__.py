"""What drives training and testing: configs, loops and hooks for mmengine's runner."""

from .hooks import EpochSeedHook, PartRateHook, PlainCheckpointHook, ProgressBarHook
from .loops import EpisodeTestLoop, EpisodeValLoop
from .optim import CpuAmpOptimWrapper

__all__ = ['CpuAmpOptimWrapper', 'EpisodeTestLoop', 'EpisodeValLoop', 'EpochSeedHook', 'PartRateHook',
           'PlainCheckpointHook', 'ProgressBarHook']
