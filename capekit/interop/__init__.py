"""Files from elsewhere: checkpoints read without running code, and the authors' checkpoints under our names."""

from .checkpoint import load_weights, read_checkpoint
from .released import CONVERTERS, convert

__all__ = ['CONVERTERS', 'convert', 'load_weights', 'read_checkpoint']
