"""What drives training and testing: configs, loops and hooks for mmengine's runner."""

import importlib.util
import pkgutil

from .checkpoint_hook import CheckpointHook
from .finite import FiniteLossHook
from .hooks import EpochSeedHook, PartRateHook, PlainCheckpointHook, ProgressBarHook
from .loops import EpisodeTestLoop, EpisodeValLoop
from .optim import CpuAmpOptimWrapper
from .stability import StabilityHook
from .stages import TrainingStagesHook
from .training_loop import EpochBasedTrainLoop, IterBasedTrainLoop

# mmengine 0.10.7 asks for mmcv's compiled operators by this name, which Python 3.14 dropped.
vars(pkgutil).setdefault('find_loader', importlib.util.find_spec)

__all__ = ['CheckpointHook', 'CpuAmpOptimWrapper', 'EpisodeTestLoop', 'EpisodeValLoop', 'EpochBasedTrainLoop',
           'EpochSeedHook', 'FiniteLossHook', 'IterBasedTrainLoop', 'PartRateHook', 'PlainCheckpointHook',
           'ProgressBarHook', 'StabilityHook', 'TrainingStagesHook']
