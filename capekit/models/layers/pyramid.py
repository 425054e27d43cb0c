"""A feature pyramid: the coarse maps added to the finer ones."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """1 x 1 convolutions to one width; each finer map adds the nearest-upsampled sum of the coarser ones.

    Args:
        in_channels: of the backbone's maps, fine to coarse.
        channels: C of every level.
    """

    def __init__(self, in_channels: Sequence[int], channels: int):
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in reversed(in_channels))

    def forward(self, maps: list) -> list[Tensor]:
        """maps (N, C_i, H_i, W_i), fine to coarse -> levels (N, C, H_i, W_i), coarse to fine."""
        levels: list[Tensor] = []
        for projection, feature_map in zip(self.projections, reversed(maps), strict=True):
            level = projection(feature_map)
            if levels:
                level = level + F.interpolate(levels[-1], level.shape[-2:], mode='nearest')
            levels.append(level)
        return levels
