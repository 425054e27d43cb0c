"""A stage of SDPNet's refinement (section 3.3)."""

from torch import Tensor, nn

from .deformable_attention import DeformableAttention
from .position import inverse_sigmoid
from .sampling_spread import SamplingSpread, Spread
from .transformer import MLP, FeedForward, PostNormAttention


class RefinementStage(nn.Module):
    """Section 3.3, one of T stages: graph convolution, self-attention, modulated deformable attention, offsets.

    As in CapeFormer's decoder, every attention has a residual and LayerNorm, a feed-forward layer follows, and queries
    and keys, but not values, carry the keypoint's current position and identifier. The factor for the sampling offsets
    compares the tokens as they are before sampling with the semantic support features; equation 6 calls them K_str^q,
    query features after the exchange over the structure.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, graph: nn.Module | None, spread: Spread,
                 shared_spread: bool, points: int, offset_unit: int | None):
        super().__init__()
        self.graph = graph
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.deformable = DeformableAttention(channels, heads, levels=1, points=points, offset_unit=offset_unit)
        self.spread = None
        if spread != 'none':
            self.spread = SamplingSpread(channels, spread, () if shared_spread else (heads, 1, points))
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)
        self.offsets = MLP(channels, 2)

    def forward(self, tokens: Tensor, position: Tensor, points: Tensor, feature_map: Tensor, semantic: Tensor,
                structure: Tensor | None, masked: Tensor) -> tuple:
        """One stage.

        Args:
            tokens, position, semantic: (B, K, C).
            points: (B, K, 2) current estimates of the keypoints.
            feature_map: (B, C, H, W) of the query.
            structure: (B, K, K), read by the graph convolution only.
            masked: (B, K) bool, slots that nothing attends to.

        Returns:
            tokens; points; a dict for figures: `locations` (B, K, M, P, 2) normalised, `weights` (B, K, M, P) and
            `spread` (B, K) or (B, K, M, 1, P), 1 without modulation.
        """
        if self.graph is not None:
            tokens = self.graph(tokens, structure)
        placed = tokens + position
        tokens = self.self_attention(tokens, placed, placed, tokens, masked)
        spread = tokens.new_ones(tokens.shape[:2]) if self.spread is None else self.spread(tokens, semantic)
        update, locations, weights = self.deformable(tokens + position, points, [feature_map], spread)
        tokens = self.feed_forward(self.norm(tokens + self.dropout(update)))
        points = (inverse_sigmoid(points) + self.offsets(tokens)).sigmoid()
        return tokens, points, dict(locations=locations[:, :, :, 0], weights=weights[:, :, :, 0], spread=spread)
