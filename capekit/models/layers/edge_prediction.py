"""How strongly keypoints are linked, predicted from the supports and a skeleton (EdgeCape)."""

from typing import Literal

import torch
from torch import Tensor, nn

from .graph_decoder import Graph, GraphDecoderLayer
from .position import sine_grid
from .skeleton import normalise_rows
from .transformer import PostNormAttention, init_xavier

EdgeStart = Literal['release', 'paper']


class PredictorLayer(nn.Module):
    """Keypoints look at each other, at the pixels and over the links; then the pixels look at the keypoints."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.keypoints = GraphDecoderLayer(channels, heads, hidden, dropout)
        self.pixels = PostNormAttention(channels, heads, dropout, key_channels=2 * channels)

    def forward(self, tokens: Tensor, pixels: Tensor, pixel_position: Tensor, graph: Graph, last: bool) -> tuple:
        """tokens (B, K, C); pixels, pixel_position (B, HW, C) -> tokens, pixels (unchanged by the last).

        As released, the pixels attend to every slot, padding included: the result depends on the number of slots.
        """
        nowhere = torch.zeros_like(tokens)
        tokens = self.keypoints(tokens, nowhere, pixels, pixel_position, graph)
        if not last:
            pixels = self.pixels(pixels, torch.cat((pixels, pixel_position), -1), torch.cat((tokens, nowhere), -1),
                                 tokens)
        return tokens, pixels


class EdgePredictor(nn.Module):
    """Weights of all pairs of keypoints: relu(given link + scale * cosine of the refined keypoints + bias).

    Args:
        in_channels: of the backbone's map.
        start: of scale and bias: 'release' (Xavier-uniform, up to +-1.73, and 0), or 'paper' (both 0: the given links).
    """

    def __init__(self, in_channels: int, channels: int, heads: int, hidden: int, dropout: float, layers: int,
                 start: EdgeStart):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, channels, 1)
        self.layers = nn.ModuleList(PredictorLayer(channels, heads, hidden, dropout) for _ in range(layers))
        self.edge = nn.Linear(1, 1)
        init_xavier(self)
        if start == 'paper':
            nn.init.zeros_(self.edge.weight)

    def forward(self, tokens: Tensor, maps: Tensor, links: Tensor, mask: Tensor) -> Tensor:
        """Predict the weights from all shots.

        Args:
            tokens: (B, K, C) support keypoints.
            maps: (B, S, C, H, W) support images, projected.
            links: (B, K, K) of `link_matrix`.
            mask: (B, K) bool, the keypoints that every support sees.

        Returns:
            (B, K, K), none below 0; 0 for keypoints that are masked.
        """
        batch, shots, channels, height, width = maps.shape
        pixels = maps.flatten(0, 1).flatten(2).transpose(1, 2)
        position = sine_grid(height, width, channels, device=maps.device).to(pixels.dtype).expand_as(pixels)
        graph = Graph(mask.repeat_interleave(shots, 0), normalise_rows(links).repeat_interleave(shots, 0))
        tokens = tokens.repeat_interleave(shots, 0)
        for layer in self.layers:
            tokens, pixels = layer(tokens, pixels, position, graph, last=layer is self.layers[-1])
        refined = tokens.unflatten(0, (batch, shots)).mean(1)
        refined = refined / (refined.norm(dim=-1, keepdim=True) + 1e-8)
        cosine = refined @ refined.transpose(1, 2)
        weights = (links + self.edge(cosine[..., None])[..., 0]).relu()
        return weights * (mask[:, :, None] & mask[:, None])
