"""Graph convolution with a feature transformation per keypoint (SDPNet, section 3.3)."""

from typing import Literal

import torch
from torch import Tensor, nn

Modulation = Literal['shared', 'fixed', 'self']


class GraphConvolutions(nn.Module):
    """Several graph convolutions with one modulation matrix, inside one residual with LayerNorm.

    Equation 4 has no term for the keypoint's own feature; the residual, which the paper does not mention, keeps it.

    Args:
        channels: C of the tokens.
        layers: graph convolutions.
        modulation: of the transformation matrix W, per keypoint: 'shared' (none: the same W for all), 'fixed' (a
            learned row for each of `num_slots` slots, as in Zou and Tang, ICCV 2021) or 'self' (from the keypoint's own
            feature).
        num_slots: rows of the fixed modulation.
        dropout: of the result.
    """

    def __init__(self, channels: int, layers: int, modulation: Modulation = 'self', num_slots: int = 100,
                 dropout: float = 0.1):
        super().__init__()
        self.modulation = modulation
        self.transforms = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in range(layers))
        if modulation == 'fixed':
            self.modulations = nn.Parameter(torch.ones(num_slots, channels))
        elif modulation == 'self':
            self.modulation_mlp = nn.Sequential(
                nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Sigmoid())
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, structure: Tensor) -> Tensor:
        """tokens (..., K, C), structure (..., K, K): how much i listens to j -> (..., K, C)."""
        modulation: Tensor | float = 1.0
        if self.modulation == 'fixed':
            modulation = self.modulations[:tokens.shape[-2]]
        elif self.modulation == 'self':
            modulation = self.modulation_mlp(tokens)  # equation 5
        update = tokens
        for transform in self.transforms:
            # The Hadamard product with a row per output channel of W is a product with W's result.
            update = (structure @ (modulation * transform(update))).relu()  # equation 4
        return self.norm(tokens + self.dropout(update))
