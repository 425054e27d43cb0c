"""Small building blocks that several heads share, one idea a file."""

from .deformable_attention import DeformableAttention, sample_levels
from .heatmap import gaussian_heatmaps, heatmap_pooling
from .position import inverse_sigmoid, sine_grid, sine_points
from .transformer import MLP, FeedForward, PostNormAttention

__all__ = ['MLP', 'DeformableAttention', 'FeedForward', 'PostNormAttention', 'gaussian_heatmaps', 'heatmap_pooling',
           'inverse_sigmoid', 'sample_levels', 'sine_grid', 'sine_points']
