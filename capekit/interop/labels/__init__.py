"""Label files of other tools: every format is read into a `LabelSet` and written from one."""

from .detect import detect
from .format import Format
from .formats import FORMATS, check_libraries, read, write
from .labelset import Animal, LabelledImage, LabelSet

__all__ = ['FORMATS', 'Animal', 'Format', 'LabelSet', 'LabelledImage', 'check_libraries', 'detect', 'read', 'write']
