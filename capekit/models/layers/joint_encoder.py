"""Pixels and keypoints attend to each other (CapeFormer, section 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transformer import FeedForward, PostNormAttention


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, positions added to the tokens themselves."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, position: Tensor, masked: Tensor | None) -> Tensor:
        # Added before attention, so that the position also enters the value and the residual (released).
        tokens = tokens + position
        return self.feed_forward(self.self_attention(tokens, tokens, tokens, tokens, masked))


class JointEncoder(nn.ModuleList):
    """`layers` x `EncoderLayer` on the query's pixels and the keypoints as one sequence."""

    def __init__(self, layers: int, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__(EncoderLayer(channels, heads, hidden, dropout) for _ in range(layers))

    def forward(self, pixels: Tensor, pixel_position: Tensor, tokens: Tensor, identifiers: Tensor,
                masked: Tensor) -> tuple:
        """pixels, pixel_position (B, HW, C); tokens, identifiers (B, K, C); masked (B, K) bool -> pixels, tokens."""
        count = pixels.shape[1]
        sequence, position = torch.cat((pixels, tokens), 1), torch.cat((pixel_position, identifiers), 1)
        masked = F.pad(masked, (count, 0))
        for layer in self:
            sequence = layer(sequence, position, masked)
        return sequence[:, :count], sequence[:, count:]
