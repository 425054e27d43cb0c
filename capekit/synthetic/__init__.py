"""Generated data in MP-100's format: a data set ready for use, and stand-ins for missing images.

`categories` draws a body plan (`plans`) and an appearance (`appearance`) for a category, `pose` poses an instance of
it, `render` draws its image; `write` makes a data set of them, `stand_in` makes images for an annotation file.
"""

from .stand_in import render_from_annotations
from .write import write_dataset

__all__ = ['render_from_annotations', 'write_dataset']
