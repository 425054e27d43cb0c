"""Entry points for use from Python."""

from .init import init_estimator

__all__ = ['init_estimator']
