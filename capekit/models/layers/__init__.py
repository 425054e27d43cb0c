"""Small building blocks that several heads share, one idea a file."""

from .heatmap import gaussian_heatmaps, heatmap_pooling
from .position import inverse_sigmoid, sine_grid, sine_points
from .transformer import MLP, FeedForward, PostNormAttention

__all__ = ['MLP', 'FeedForward', 'PostNormAttention', 'gaussian_heatmaps', 'heatmap_pooling', 'inverse_sigmoid',
           'sine_grid', 'sine_points']
