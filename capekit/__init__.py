"""capekit: category-agnostic pose estimation, from a keypoint JSON to a number one can trust."""

__version__ = '0.1.0'
