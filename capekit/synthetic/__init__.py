"""Generated data in MP-100's format: an embedded default, and stand-ins for images that are not at hand.

`categories` draws a body plan (`plans`) and looks (`appearance`) for a category, `pose` an instance of it, `render` its
image; `write` makes a data set of them, `stand_in` images for an annotation file.
"""

from .stand_in import render_from_annotations
from .write import write_dataset

__all__ = ['render_from_annotations', 'write_dataset']
