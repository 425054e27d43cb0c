"""The task that teaches a structure without labels: find masked support keypoints from the others (SDPNet, 3.3)."""

import torch
from torch import Tensor, nn

from .graph_convolution import GraphConvolutions
from .position import sine_points
from .transformer import MLP


class PoseReconstruction(nn.Module):
    """Passes a support pose with some keypoints masked through graph convolutions over the structure.

    A keypoint enters as what it is (the aggregated semantic feature, which contains no coordinates) plus where it is,
    or, if it is masked or not seen, plus a learned token. So the position of a masked keypoint can only come over its
    edges. Keypoints are masked only in training, by the caller, who needs the mask for the structure too.

    Args:
        channels: C of the tokens.
        layers: graph convolutions.
        ratio: share of the keypoints that are masked.
        dropout: of the graph convolutions.
    """

    def __init__(self, channels: int, layers: int, ratio: float, dropout: float):
        super().__init__()
        self.ratio = ratio
        self.place = nn.Linear(channels, channels)
        self.hidden = nn.Parameter(0.02 * torch.randn(channels))
        self.graph = GraphConvolutions(channels, layers, 'self', dropout=dropout)
        self.read = MLP(channels, 2, depth=1)

    def mask(self, seen: Tensor) -> Tensor:
        """seen (B, S, K) bool -> the keypoints that are shown, (B, S, K) bool."""
        return seen & (torch.rand(seen.shape, device=seen.device) >= self.ratio)

    def forward(self, points: Tensor, shown: Tensor, semantic: Tensor, structure: Tensor) -> Tensor:
        """points (B, S, K, 2), shown (B, S, K) bool, semantic (B, K, C), structure (B, K, K) -> points (B, S, K, 2).

        The structure must not know where masked keypoints are either: it is predicted from what is shown.
        """
        places = self.place(sine_points(points, semantic.shape[-1]))
        tokens = semantic[:, None] + torch.where(shown[..., None], places, self.hidden)
        return self.read(self.graph(tokens, structure[:, None])).sigmoid()
