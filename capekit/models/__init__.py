"""Networks: estimators, backbones, heads and the layers they share. Importing this registers them."""

from . import backbones, heads
from .adaptation import FineTuneEstimator, MAMLEstimator
from .averaging import ExpMomentumEMA
from .copying import CopyingEstimator
from .estimator import CapeEstimator
from .preprocessor import CapePreprocessor

__all__ = ['CapeEstimator', 'CapePreprocessor', 'CopyingEstimator', 'ExpMomentumEMA', 'FineTuneEstimator',
           'MAMLEstimator', 'backbones', 'heads']
