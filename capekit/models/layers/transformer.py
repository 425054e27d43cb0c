"""The post-norm transformer pieces of DETR that the CAPE heads are built from."""

import torch
from torch import Tensor, nn


class MLP(nn.Sequential):
    """`depth` x (Linear + GELU), then Linear to `outputs`, zero-initialised: it starts by changing nothing."""

    def __init__(self, channels: int, outputs: int, depth: int = 3):
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(channels, channels), nn.GELU()]
        last = nn.Linear(channels, outputs)
        super().__init__(*layers, last)
        self.start()

    def start(self) -> None:
        """Zero the last layer."""
        last = self[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


class FeedForward(nn.Module):
    """norm(x + dropout(Linear(dropout(relu(Linear(x)))))) on (..., C)."""

    def __init__(self, channels: int, hidden: int, dropout: float = 0.1):
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.reduce = nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.dropout(self.expand(tokens).relu())
        return self.norm(tokens + self.dropout(self.reduce(hidden)))


class PostNormAttention(nn.Module):
    """norm(x + dropout(attention)): multi-head attention with its residual and LayerNorm.

    Args:
        channels: C of the tokens.
        heads: attention heads.
        dropout: of attention weights and of the result.
        key_channels: width of query and key if it is not C: the result is then reduced to C by a linear layer
            (CapeFormer's cross-attention, where position is concatenated, not added).
    """

    def __init__(self, channels: int, heads: int = 8, dropout: float = 0.1, key_channels: int | None = None):
        super().__init__()
        width = key_channels or channels
        self.attention = nn.MultiheadAttention(width, heads, dropout, kdim=width, vdim=channels, batch_first=True)
        self.reduce = nn.Linear(width, channels) if width != channels else nn.Identity()
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, query: Tensor, key: Tensor, value: Tensor,
                masked: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """tokens (B, N, C) get the residual; query (B, N, D), key (B, M, D), value (B, M, C); masked (B, M) bool.

        `bias`, (B, heads, N, M), is added to the scaled logits.
        """
        if bias is not None:
            bias = bias.flatten(0, 1)
            if masked is not None:  # torch wants both masks of one type
                masked = torch.zeros_like(masked, dtype=bias.dtype).masked_fill(masked, float('-inf'))
        update = self.attention(query, key, value, key_padding_mask=masked, need_weights=False, attn_mask=bias)[0]
        return self.norm(tokens + self.dropout(self.reduce(update)))


def init_xavier(module: nn.Module) -> None:
    """Draw every weight matrix and convolution Xavier-uniformly and zero the biases, as GraphCape and EdgeCape do.

    The last layer of each `MLP` stays 0.
    """
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.MultiheadAttention):
            part._reset_parameters()  # the same distribution
    for part in module.modules():
        if isinstance(part, MLP):
            part.start()
