"""The post-norm transformer pieces of DETR that the CAPE heads are built from."""

import torch
import torch.nn.functional as F
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
        """(..., C) -> (..., C)."""
        hidden = self.dropout(self.expand(tokens).relu_())
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
                masked: Tensor | None = None, bias: Tensor | None = None,
                key_position: Tensor | None = None) -> Tensor:
        """tokens (B, N, C) get the residual; query (B, N, D), key (B, M, D), value (B, M, C); masked (B, M) bool.

        `bias`, (B, heads, N, M), is added to the scaled logits. `key_position`, (B, M, D - C), is concatenated to a key
        (B, M, C).
        """
        # Without a gradient torch's module takes a path whose softmax under a mask is slower than all the rest.
        if not torch.is_grad_enabled():
            mask = None if masked is None else ~masked[:, None, None]
            if bias is not None:
                mask = bias if masked is None else bias.masked_fill(masked[:, None, None], float('-inf'))
            dropout = self.attention.dropout if self.training else 0.0
            query, key, value = self.project(query, key, value, key_position)
            return self.add(tokens, F.scaled_dot_product_attention(query, key, value, mask, dropout))
        if key_position is not None:
            key = torch.cat((key, key_position), -1)
        if bias is not None:
            bias = bias.flatten(0, 1)
            if masked is not None:  # torch wants both masks of one type
                masked = torch.zeros_like(masked, dtype=bias.dtype).masked_fill(masked, float('-inf'))
        update = self.attention(query, key, value, key_padding_mask=masked, need_weights=False, attn_mask=bias)[0]
        return self.norm(tokens + self.dropout(self.reduce(update)))

    def project(self, query: Tensor, key: Tensor, value: Tensor,
                key_position: Tensor | None = None) -> list[Tensor]:
        """Arguments as in `forward` -> each split into (B, heads, N or M, D / heads)."""
        own = self.attention
        # Both are there for torch's module; only one of them holds weights.
        weights = (own.in_proj_weight.chunk(3) if own.in_proj_weight is not None
                   else (own.q_proj_weight, own.k_proj_weight, own.v_proj_weight))
        split = key.shape[-1]
        query, projected, value = (F.linear(x, weight[:, :x.shape[-1]], part) for x, weight, part in zip(
            (query, key, value), weights, own.in_proj_bias.chunk(3), strict=True))
        if key_position is not None:
            if key_position.stride(0) == 0:  # the same for all
                key_position = key_position[:1]
            projected = projected + F.linear(key_position, weights[1][:, split:])
        return [x.unflatten(-1, (own.num_heads, -1)).transpose(1, 2) for x in (query, projected, value)]

    def add(self, tokens: Tensor, result: Tensor) -> Tensor:
        """Tokens (B, N, C) and the heads' results (B, heads, N, D / heads) -> tokens, with residual and norm."""
        update = self.attention.out_proj(result.transpose(1, 2).flatten(2))
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
