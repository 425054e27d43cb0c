"""Entry points for people who write Python and no configs."""

from .init import init_estimator

__all__ = ['init_estimator']
