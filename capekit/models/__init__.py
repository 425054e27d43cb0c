"""Networks: estimators, backbones, heads and the layers they share. Importing this registers them."""

from . import backbones, heads
from .adaptation import FineTuneEstimator, MAMLEstimator
from .estimator import CapeEstimator
from .preprocessor import CapePreprocessor

__all__ = ['CapeEstimator', 'CapePreprocessor', 'FineTuneEstimator', 'MAMLEstimator', 'backbones', 'heads']
