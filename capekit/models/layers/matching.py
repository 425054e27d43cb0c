"""CapeFormer's matching stage (sections 3.3 and 3.4), which SDPNet uses too."""

from typing import Literal, NamedTuple

import torch
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

    def ahead(self, feature_map: Tensor) -> dict:
        """What can be computed of query maps (N, C, H, W) before any support is known, as tensors (N, ...).

        Nothing with a gradient: a training step answers one query per image, and there is nothing to reuse.
        """
        if torch.is_grad_enabled() or not self.joint or not len(self.encoder):
            return {}
        return self.encoder.ahead(*self._pixels(feature_map))

    def _pixels(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> pixels and their positions, (B, HW, C)."""
        pixels = feature_map.flatten(2).transpose(1, 2)
        height, width = feature_map.shape[-2:]
        position = sine_grid(height, width, self.channels, device=pixels.device).to(pixels.dtype)
        return pixels, position.expand_as(pixels)

    def forward(self, feature_map: Tensor, tokens: Tensor, identifiers: Tensor, mask: Tensor,
                ahead: dict | None = None) -> Match:
        """feature_map (B, C, H, W); tokens, identifiers (B, K, C); mask (B, K) bool, the keypoints that count.

        `ahead`: holds the result of the method of that name for the same maps, if it was called.
        """
        pixels, position = self._pixels(feature_map)
        if self.joint:
            pixels, tokens = self.encoder(pixels, position, tokens, identifiers, ~mask, ahead)
        else:
            for layer in self.encoder:
                pixels = layer(pixels, position, None)
        similarity, proposals, peaks, scores = self.proposals(pixels, tokens, feature_map.shape[-2:])
        return Match(pixels, position, tokens, scores, dict(similarity=similarity, proposals=proposals, peaks=peaks))
