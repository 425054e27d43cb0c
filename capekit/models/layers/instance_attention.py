"""From S support instances of a category to one feature per keypoint (SDPNet, sections 3.1 and 4.3.1)."""

import torch
from torch import Tensor, nn

from .masking import masked_softmax


class InstanceAttention(nn.Module):
    """Weights the instances of every keypoint by a quality predicted from their features.

    Instances that do not see the keypoint get no weight; a keypoint that none sees gets a zero feature. The weights sum
    to 1, so a single instance has weight 1 whatever its quality: training with one shot leaves the quality untrained.
    """

    def __init__(self, channels: int):
        super().__init__()
        # No bias at the end: it would not change the softmax.
        self.quality = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 1, bias=False))

    def forward(self, tokens: Tensor, seen: Tensor) -> tuple:
        """tokens (B, S, K, C), seen (B, S, K) bool -> features (B, K, C), weights (B, S, K)."""
        weights = masked_softmax(self.quality(tokens)[..., 0], seen, 1)
        return (tokens * weights[..., None]).sum(1), weights


class InstanceAverage(nn.Module):
    """The same with equal weights."""

    def forward(self, tokens: Tensor, seen: Tensor) -> tuple:
        """As `InstanceAttention`."""
        weights = masked_softmax(torch.zeros_like(tokens[..., 0]), seen, 1)
        return (tokens * weights[..., None]).sum(1), weights
