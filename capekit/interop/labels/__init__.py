"""Label files of other tools: every format is read into a `LabelSet` and written from one."""

from .detect import detect
from .format import Format
from .formats import FORMATS, read, write
from .labelset import Animal, LabelledImage, LabelSet

__all__ = ['FORMATS', 'Animal', 'Format', 'LabelSet', 'LabelledImage', 'detect', 'read', 'write']
