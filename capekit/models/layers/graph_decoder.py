"""CapeFormer's decoder with a graph convolution in place of the feed-forward layer (GraphCape, EdgeCape)."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from .position import inverse_sigmoid, sine_points
from .slots import masked_keys
from .transformer import MLP, PostNormAttention

GraphPlace = Literal['none', 'pre', 'post', 'both']


class GraphLinear(nn.Linear):
    """relu(own(x_i) + sum over j of A_ij * neighbour(x_j)), both linear with a bias.

    The first half of the weight's rows is the own branch. Where a keypoint does not count the own branch is 0.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, 2 * outputs)

    def forward(self, tokens: Tensor, counted: Tensor, graph: Tensor) -> Tensor:  # type: ignore[override]
        """tokens (B, K, inputs); counted (B, K) bool; graph (B, K, K), how much i hears of j -> (B, K, outputs)."""
        own, neighbours = super().forward(tokens).chunk(2, -1)
        return (own * counted[..., None] + graph.to(neighbours.dtype) @ neighbours).relu()


class GraphFeedForward(nn.Module):
    """norm(x + dropout(second(dropout(first(x))))), where either layer, or both, look at the neighbours.

    Args:
        channels, hidden: width of the tokens and between the two layers.
        place: of the graph convolution: 'pre' (the first layer), 'post' (the second), 'both' or 'none' (a plain
            feed-forward layer).
    """

    def __init__(self, channels: int, hidden: int, dropout: float, place: GraphPlace = 'pre'):
        super().__init__()
        self.expand = (GraphLinear if place in ('pre', 'both') else nn.Linear)(channels, hidden)
        self.reduce = (GraphLinear if place in ('post', 'both') else nn.Linear)(hidden, channels)
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, counted: Tensor, graph: Tensor) -> Tensor:
        """As `GraphLinear.forward`; the width of the tokens stays."""
        def apply(layer: nn.Module, value: Tensor) -> Tensor:
            return layer(value, counted, graph) if isinstance(layer, GraphLinear) else layer(value)
        hidden = self.dropout(apply(self.expand, tokens).relu())  # a graph layer's result has no negative value
        return self.norm(tokens + self.dropout(apply(self.reduce, hidden)))


class Graph(NamedTuple):
    """Which keypoints a graph decoder works with, and who hears whom."""

    counted: Tensor
    """(B, K) bool; nothing attends to the others, and they do not hear themselves."""
    weights: Tensor
    """(B, K, K) how much i hears of j."""
    powers: Tensor | None = None
    """(B, hops + 1, K, K) how much i hears of j over 0, 1, 2, ... links; read by layers with `hops`."""


class GraphDecoderLayer(nn.Module):
    """Self-attention among keypoints, cross-attention to pixels, graph convolution.

    Args:
        placed: keypoints' positions are added to query and key of the self-attention (GraphCape; not in EdgeCape).
        hops: a small network turns the graph's first powers, up to this one, into a number a head, which is added to
            the self-attention's logits where the graph has `powers` (EdgeCape); 0 = none.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, place: GraphPlace = 'pre',
                 placed: bool = False, hops: int = 0):
        super().__init__()
        self.placed = placed
        self.bias_mlp = None
        if hops:
            self.bias_mlp = nn.Sequential(nn.Linear(hops + 1, 12), nn.ReLU(), nn.Dropout(dropout),
                                          nn.Linear(12, heads))
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.cross_attention = PostNormAttention(channels, heads, dropout, key_channels=2 * channels)
        self.feed_forward = GraphFeedForward(channels, hidden, dropout, place)

    def forward(self, tokens: Tensor, position: Tensor, pixels: Tensor, pixel_position: Tensor,
                graph: Graph) -> Tensor:
        """tokens, position (B, K, C); pixels, pixel_position (B, HW, C) -> (B, K, C)."""
        query = tokens + position if self.placed else tokens
        bias = None
        if self.bias_mlp is not None and graph.powers is not None:
            bias = self.bias_mlp(graph.powers.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        tokens = self.self_attention(tokens, query, query, tokens, masked_keys(graph.counted), bias)
        tokens = self.cross_attention(tokens, torch.cat((tokens, position), -1), pixels, pixels,
                                      key_position=pixel_position)
        return self.feed_forward(tokens, graph.counted, graph.weights)


class Refined(NamedTuple):
    """What a decoder found."""

    points: Tensor
    """(L, B, K, 2) reported after each layer, the tokens normalised."""
    chain: Tensor
    """(B, K, 2) the point after the last layer from its plain token."""


class GraphDecoder(nn.Module):
    """Keypoints refined from layer to layer (CapeFormer, section 3.5) with a graph convolution in each."""

    def __init__(self, layers: int, channels: int, heads: int, hidden: int, dropout: float, place: GraphPlace = 'pre',
                 placed: bool = False, hops: int = 0):
        super().__init__()
        self.channels = channels
        self.layers = nn.ModuleList(
            GraphDecoderLayer(channels, heads, hidden, dropout, place, placed, hops) for _ in range(layers))
        self.position_mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
        self.norm = nn.LayerNorm(channels)
        self.offset_mlps = nn.ModuleList(MLP(channels, 2) for _ in range(layers))

    def forward(self, tokens: Tensor, start: Tensor, pixels: Tensor, pixel_position: Tensor, graph: Graph) -> Refined:
        """tokens (B, K, C) that begin at `start` (B, K, 2); pixels, pixel_position (B, HW, C).

        Gradients as in CapeFormer: a reported point keeps that of the point its layer started from, the chain from
        layer to layer does not. The chain begins detached, but the first layer's position encoding passes its gradient
        on to `start`.
        """
        reports, located, chain = [], start, start.detach()
        for layer, mlp in zip(self.layers, self.offset_mlps, strict=True):
            position = self.position_mlp(sine_points(located, self.channels))
            tokens = layer(tokens, position, pixels, pixel_position, graph)
            reports.append((inverse_sigmoid(chain) + mlp(self.norm(tokens))).sigmoid())
            chain = (inverse_sigmoid(chain.detach()) + mlp(tokens)).sigmoid()
            located = chain.detach()
        return Refined(torch.stack(reports), chain)
