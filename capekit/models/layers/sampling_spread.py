"""How far around a keypoint deformable attention reads, steered by the support (SDPNet, equation 6)."""

import math
from typing import Literal

from torch import Tensor, nn

from .transformer import MLP

Spread = Literal['none', 'support', 'difference']


class SamplingSpread(nn.Module):
    """Factors in (0, 2) for the sampling offsets, 1 at the start.

    Args:
        channels: C of the features.
        source: 'difference' of embedded query and support features, or the 'support' feature alone (table 4).
        shape: () for one factor per keypoint, (M, L, P) for one per offset.
    """

    def __init__(self, channels: int, source: Spread, shape: tuple = ()):
        super().__init__()
        self.source, self.shape = source, shape
        if source == 'difference':
            self.query_embedding = nn.Linear(channels, channels, bias=False)
            self.support_embedding = nn.Linear(channels, channels, bias=False)
        self.mlp = MLP(channels, math.prod(shape), depth=1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        """query, support (B, K, C) -> (B, K, *shape)."""
        compared = support
        if self.source == 'difference':
            compared = self.query_embedding(query) - self.support_embedding(support)
        return 2 * self.mlp(compared).sigmoid().view(*compared.shape[:2], *self.shape)  # equation 6
