"""Networks of other libraries, wrapped to give a list of feature maps (N, C_i, H_i, W_i), fine to coarse.

A backbone has `channels` (of its maps). It may have `mean` and `std` (of its input, see `build_preprocessor`) and may
take `image_size` (of the crops, see `build_backbone`).
"""

from .build import build_backbone, build_preprocessor
from .pyramid import TimmPyramid
from .vit import TimmViT

__all__ = ['TimmPyramid', 'TimmViT', 'build_backbone', 'build_preprocessor']
