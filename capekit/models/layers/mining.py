"""FGSA mining: reading fine-grained features around a keypoint and its neighbours (FMMP, section 3.3)."""

import torch
from torch import Tensor, nn

from .deformable_attention import DeformableAttention
from .transformer import FeedForward, PostNormAttention


class SideAttentions(nn.Module):
    """The released stand-in for equation 7: a whole deformable attention per reference.

    The first, around the keypoint itself, gives the result; the others are concatenated, reduced and added. The
    reduction's weights start at zero, as released. Its bias starts slightly above: from zero, the ReLU would never pass
    a gradient to either, and what neighbours contribute would never be learned.
    """

    def __init__(self, channels: int, references: int, heads: int, levels: int, points: int):
        super().__init__()
        self.attentions = nn.ModuleList(
            DeformableAttention(channels, heads, levels, points) for _ in range(references))
        self.reduce = nn.Linear((references - 1) * channels, channels)

    def init_weights(self) -> None:
        """What has its own initial values, set after a general initialisation."""
        attention: DeformableAttention
        for attention in self.attentions:  # type: ignore[assignment]  # a ModuleList does not type its items
            attention.init_weights()
        nn.init.zeros_(self.reduce.weight)
        nn.init.constant_(self.reduce.bias, 0.01)

    def forward(self, queries: Tensor, references: Tensor, maps: list) -> Tensor:
        """queries (N, K, C), references (N, K, M, 2) -> (N, K, C)."""
        own, *others = (attention(queries, references[:, :, m], maps)[0]
                        for m, attention in enumerate(self.attentions))
        return own + self.reduce(torch.cat(others, -1)).relu()


class StructureAttention(nn.Module):
    """Equation 7: the m-th head of one deformable attention reads around the m-th reference."""

    def __init__(self, channels: int, references: int, levels: int, points: int):
        super().__init__()
        self.attention = DeformableAttention(channels, references, levels, points)

    def init_weights(self) -> None:
        """What has its own initial values, set after a general initialisation."""
        self.attention.init_weights()

    def forward(self, queries: Tensor, references: Tensor, maps: list) -> Tensor:
        """queries (N, K, C), references (N, K, M, 2) -> (N, K, C)."""
        return self.attention(queries, references, maps)[0]


class Miner(nn.Module):
    """FGSA mining (section 3.3): self-attention among keypoints, then deformable attention on an image's pyramid."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, sampler: nn.Module):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.self_feed_forward = FeedForward(channels, hidden, dropout)
        self.sampler = sampler
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, position: Tensor, references: Tensor, maps: list,
                masked: Tensor | None = None) -> Tensor:
        """tokens, position (N, K, C); references (N, K, M, 2); maps L of (N, C, H_l, W_l); masked (N, K) bool."""
        placed = tokens + position
        tokens = self.self_feed_forward(self.self_attention(tokens, placed, placed, tokens, masked))
        update = self.sampler(tokens + position, references, maps)
        return self.feed_forward(self.norm(tokens + self.dropout(update)))
