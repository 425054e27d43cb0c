"""CapeFormer's matching stage (sections 3.3 and 3.4), which SDPNet uses too."""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from .joint_encoder import JointEncoder
from .position import sine_grid
from .proposals import ProposalGenerator


class Match(NamedTuple):
    """What matching passes on to refinement."""

    pixels: Tensor
    """(B, HW, C) the query after the encoder."""
    pixel_position: Tensor
    """(B, HW, C)."""
    tokens: Tensor
    """(B, K, C) the keypoints after the encoder."""
    scores: Tensor
    """(B, K)."""
    extras: dict
    """`similarity` (B, K, H, W) logits, `proposals` and `peaks` (B, K, 2), see `ProposalGenerator`."""


class Matching(nn.Module):
    """Query pixels and keypoints refine each other; a learned inner product gives similarity maps and their peaks.

    Args:
        channels: C of every token.
        heads, hidden, dropout: of every transformer layer.
        layers: of the encoder.
        encoder: 'joint' (pixels and keypoints attend to each other) or 'detr' (pixels only).
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, layers: int,
                 encoder: Literal['joint', 'detr'] = 'joint'):
        super().__init__()
        self.channels, self.joint = channels, encoder == 'joint'
        self.encoder = JointEncoder(layers, channels, heads, hidden, dropout)
        self.proposals = ProposalGenerator(channels)

    def forward(self, feature_map: Tensor, tokens: Tensor, identifiers: Tensor, mask: Tensor) -> Match:
        """feature_map (B, C, H, W); tokens, identifiers (B, K, C); mask (B, K) bool, the keypoints that count."""
        height, width = feature_map.shape[-2:]
        pixels = feature_map.flatten(2).transpose(1, 2)
        position = sine_grid(height, width, self.channels, device=pixels.device).to(pixels.dtype).expand_as(pixels)
        if self.joint:
            pixels, tokens = self.encoder(pixels, position, tokens, identifiers, ~mask)
        else:
            for layer in self.encoder:
                pixels = layer(pixels, position, None)
        similarity, proposals, peaks, scores = self.proposals(pixels, tokens, (height, width))
        return Match(pixels, position, tokens, scores, dict(similarity=similarity, proposals=proposals, peaks=peaks))
