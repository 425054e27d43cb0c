"""Label files of other tools: every format is read into a `LabelSet` and written from one."""

from .formats import FORMATS, Format, read, write
from .labelset import Animal, LabelledImage, LabelSet

__all__ = ['FORMATS', 'Animal', 'Format', 'LabelSet', 'LabelledImage', 'read', 'write']
