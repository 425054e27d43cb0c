"""Entry points for use from Python."""

from .inferencer import CapeInferencer
from .init import init_estimator

__all__ = ['CapeInferencer', 'init_estimator']
