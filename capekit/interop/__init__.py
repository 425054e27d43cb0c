"""Files from elsewhere: the authors' checkpoints under our names."""

from .released import CONVERTERS, convert

__all__ = ['CONVERTERS', 'convert']
