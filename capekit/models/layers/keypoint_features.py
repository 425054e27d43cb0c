"""From the keypoint features of S support instances to those of the category (SDPNet, section 3.1)."""

from typing import Literal

from torch import Tensor, nn

from .cross_instance import CrossInstanceLayer
from .instance_attention import InstanceAttention, InstanceAverage

Aggregation = Literal['average', 'weighted', 'interaction']


class KeypointFeatures(nn.Module):
    """There is one for semantic and another for structural features.

    'average' and 'weighted' (table 1) aggregate the initial features, 'interaction' lets the instances exchange
    information first. The paper does not give the number of rounds: here two, the least that can be called
    "iteratively".
    """

    def __init__(self, aggregation: Aggregation, layers: int, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        count = layers if aggregation == 'interaction' else 0
        self.layers = nn.ModuleList(CrossInstanceLayer(channels, heads, hidden, dropout) for _ in range(count))
        self.aggregate = InstanceAverage() if aggregation == 'average' else InstanceAttention(channels)

    def forward(self, tokens: Tensor, labels: Tensor, seen: Tensor) -> tuple:
        """tokens (B, S, K, C), labels (S, K, C), seen (B, S, K) bool -> features (B, K, C), weights (B, S, K)."""
        for layer in self.layers:
            tokens = layer(tokens, labels, seen)
        return self.aggregate(tokens, seen)
