"""capekit: category-agnostic pose estimation, from annotation files to numbers you can trust."""

__version__ = '0.1.0'
