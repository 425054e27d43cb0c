"""CapeFormer: matching makes proposals, a decoder refines them (Shi et al., CVPR 2023).

Section and equation numbers are the paper's. Where the paper is silent, this is what the released model computes, so
that its published checkpoints give the same answers here; `tools/convert_checkpoint.py` renames their parameters.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from capekit.choices import Channels, Count, Dropout, Heads, Positive, Size, Weight, checked
from capekit.errors import CapekitError
from capekit.models.layers import (
    MLP,
    FeedForward,
    Matching,
    PostNormAttention,
    gaussian_heatmaps,
    heatmap_pooling,
    inverse_sigmoid,
    masked_keys,
    seen_by_all,
    sine_grid,
    sine_points,
)
from capekit.models.losses import SimilarityError, keypoint_mean, matching_losses
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


class DecoderLayer(nn.Module):
    """Self-attention among keypoints, cross-attention to the query's pixels, feed-forward (section 3.5, figure 4)."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.cross_attention = PostNormAttention(channels, heads, dropout, key_channels=2 * channels)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, position: Tensor, pixels: Tensor, pixel_position: Tensor,
                masked: Tensor) -> Tensor:
        """tokens, position (B, K, C); pixels, pixel_position (B, HW, C); masked (B, K) bool."""
        placed = tokens + position
        tokens = self.self_attention(tokens, placed, placed, tokens, masked)
        return self.feed_forward(self.cross_attention(
            tokens, torch.cat((tokens, position), -1), pixels, pixels, key_position=pixel_position))


@MODELS.register_module()
class CapeFormerHead(nn.Module):
    """Matching stage and refine stage on the coarsest feature map.

    Args:
        in_channels: of the backbone's maps, fine to coarse; only the coarsest is used.
        channels: C of every token.
        num_heads, hidden_channels, dropout: of every transformer layer.
        identifier: 'fixed' (sine numbering of the slots), 'learned' or 'none' (table 5).
        num_slots: length of the numbering; an identifier depends on it, not on how many keypoints a category has.
        encoder_layers: layers of either encoder.
        decoder_layers: refine layers; 0 is the one-stage model, whose answer is the proposals (table 3).
        heatmap_weight, proposal_weight, layer_weight: loss weights; 0 leaves the term out (table 4).
        reduction: 'release' (default, what the published checkpoints were trained with): every term is the mean over
            valid keypoints, layers are summed. 'paper': offsets are summed over keypoints and averaged over layers
            (equation 8).
        similarity_error: 'squared' (equation 5, as released) or 'cross_entropy' (ours, for training from random weights
            within minutes, see `losses.similarity_cross_entropy`).
        heatmap_size, sigma: of the support pooling and of the target maps, in cells.
    """

    @checked
    def __init__(self, in_channels: Sequence[int], channels: Channels = 256, num_heads: Heads = 8,
                 hidden_channels: Size = 2048, dropout: Dropout = 0.1,
                 identifier: Literal['none', 'fixed', 'learned'] = 'fixed', num_slots: Size = 100,
                 encoder: Literal['joint', 'detr'] = 'joint', encoder_layers: Count = 3, decoder_layers: Count = 3,
                 heatmap_weight: Weight = 2.0, proposal_weight: Weight = 1.0, layer_weight: Weight = 1.0,
                 reduction: Literal['release', 'paper'] = 'release', similarity_error: SimilarityError = 'squared',
                 heatmap_size: Size = 64, sigma: Positive = 2.0):
        super().__init__()
        self.channels, self.num_slots, self.reduction = channels, num_slots, reduction
        self.heatmap_size, self.sigma, self.layer_weight = heatmap_size, sigma, layer_weight
        self.matching_losses = partial(matching_losses, heatmap_weight=heatmap_weight, proposal_weight=proposal_weight,
                                       similarity_error=similarity_error)

        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.support_projection = nn.Linear(in_channels[-1], channels)
        self.matching = Matching(channels, num_heads, hidden_channels, dropout, encoder_layers, encoder)
        self.decoder = nn.ModuleList(
            DecoderLayer(channels, num_heads, hidden_channels, dropout) for _ in range(decoder_layers))
        if decoder_layers:
            self.position_mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
            self.decoder_norm = nn.LayerNorm(channels)
        self._init_transformer()
        # After the initialisation: the MLPs' last layers start at zero, so refinement starts at the proposals.
        self.offset_mlps = nn.ModuleList(MLP(channels, 2) for _ in range(decoder_layers))
        if identifier == 'learned':
            self.identifiers = nn.Parameter(torch.randn(num_slots, channels))
        elif identifier == 'fixed':
            self.register_buffer('identifiers', sine_grid(1, num_slots, channels), persistent=False)
        else:
            self.register_buffer('identifiers', torch.zeros(num_slots, channels), persistent=False)

    def _init_transformer(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """Section 3.2: features pooled from the coarsest map, `keypoints` (N, K, C_in), and `seen` (N, K) bool."""
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        return dict(keypoints=heatmap_pooling(maps[-1], heatmaps), seen=seen)

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W): the coarsest map, projected; and what matching computes `ahead`."""
        pixels = self.query_projection(maps[-1])
        return dict(self.matching.ahead(pixels), pixels=pixels)

    def prepare(self, support: dict, task: Task) -> dict:
        """`tokens` (B, K, C), the mean over the shots, and `mask` (B, K) bool, the keypoints that every support sees.

        A keypoint that some support does not see is masked like padding: it is answered, but nothing attends to it.
        """
        slots = support['seen'].shape[2]
        if slots > self.num_slots:
            raise CapekitError(f'CapeFormerHead: {slots} keypoint slots, but num_slots={self.num_slots}; raise it')
        mask = seen_by_all(support['seen'], task.num_keypoints)
        return dict(tokens=self.support_projection(support['keypoints'].mean(1) * mask[..., None]), mask=mask)

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`.

        `extras`: `mask` (B, K) bool, `similarity` (B, K, H, W) logits, `proposals` and `peaks` (B, K, 2), see
        `ProposalGenerator`. Without a decoder the peaks are the answer.
        """
        mask = state['mask']
        identifiers = self.identifiers[:mask.shape[1]].expand_as(state['tokens'])
        match = self.matching(query['pixels'], state['tokens'], identifiers, mask, query)
        layers = None
        if self.decoder:
            layers = self._decode(match.pixels, match.pixel_position, match.tokens, identifiers, masked_keys(mask),
                                  match.extras['peaks'])
        return Prediction(points=match.extras['peaks'] if layers is None else layers[-1], scores=match.scores,
                          layers=layers, extras=dict(match.extras, mask=mask))

    def _decode(self, pixels, pixel_position, tokens, identifiers, masked, start) -> Tensor:
        """Section 3.5: (L, B, K, 2), the points after each layer.

        The points reported per layer are read from the normalised token; the chain from layer to layer uses the plain
        one. Reported points keep the gradient of the point their layer started from, the chain does not: the loss of
        layer l reaches the MLPs of layers l and l - 1. The chain also starts from a detached peak, but the position
        encoding of the first layer keeps the peak's gradient (released), so that every layer's loss teaches matching.
        """
        reports, located = [], start
        start = start.detach()
        for layer, mlp in zip(self.decoder, self.offset_mlps, strict=True):
            position = self.position_mlp(sine_points(located, self.channels)) + identifiers
            tokens = layer(tokens, position, pixels, pixel_position, masked)
            reports.append((inverse_sigmoid(start) + mlp(self.decoder_norm(tokens))).sigmoid())
            start = (inverse_sigmoid(start.detach()) + mlp(tokens)).sigmoid()  # equation 4
            located = start.detach()
        return torch.stack(reports)

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """Section 3.6; only keypoints that the query and every support see are supervised.

        Returns:
            `heatmap_loss` (equation 5, weighted), `proposal_loss` (equation 7), `l1_loss_layer<l>` (equation 8).
        """
        points, visible = episode.query_points, episode.query_visible
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & prediction.extras['mask']
        points = points.masked_fill(~visible[..., None], 0)  # those coordinates are meaningless, even nan

        losses = self.matching_losses(prediction.extras, heatmaps, points, weight)
        if self.layer_weight and prediction.layers is not None:
            errors = (prediction.layers - points).abs().sum(-1)  # (L, B, K)
            for index, error in enumerate(errors):
                value = (keypoint_mean(error, weight) if self.reduction == 'release'
                         else keypoint_mean(error, weight, slots=1) / len(errors))
                losses[f'l1_loss_layer{index}'] = self.layer_weight * value
        return losses
