"""Attention within every support instance, then between them (SDPNet, section 3.1, figure 3)."""

from torch import Tensor, nn

from .slots import masked_keys
from .transformer import FeedForward, PostNormAttention


class CrossInstanceLayer(nn.Module):
    """One round: a keypoint attends to those of its own instance, then to those of all instances.

    Only the second attention is told which instance and which keypoint a token is, and only in its query and key: the
    value stays plain. Keypoints that an instance does not see are not used as keys.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.inside = PostNormAttention(channels, heads, dropout)
        self.between = PostNormAttention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, labels: Tensor, seen: Tensor) -> Tensor:
        """tokens (B, S, K, C); labels (S, K, C), instance order plus keypoint identifier; seen (B, S, K) bool."""
        shape = tokens.shape
        tokens = tokens.flatten(0, 1)  # (B * S, K, C)
        tokens = self.inside(tokens, tokens, tokens, tokens, masked_keys(seen.flatten(0, 1)))
        tokens = tokens.view(shape).flatten(1, 2)  # (B, S * K, C)
        placed = tokens + labels.flatten(0, 1)
        tokens = self.between(tokens, placed, placed, tokens, masked_keys(seen.flatten(1)))
        return self.feed_forward(tokens).view(shape)
