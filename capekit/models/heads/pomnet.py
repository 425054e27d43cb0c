"""POMNet: keypoint features refined by attention, matched with the query by convolutions (Xu et al., ECCV 2022).

Section and equation numbers are the paper's. Where the paper is silent, this is what the released model computes, so
that its published checkpoints give the same answers here; `tools/convert_checkpoint.py` renames their parameters.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capekit.choices import Channels, Count, Dropout, Heads, Positive, Size, checked
from capekit.models.layers import (
    Deconvolutions,
    FeedForward,
    PostNormAttention,
    Refinement,
    decode_heatmaps,
    gaussian_heatmaps,
    heatmap_pooling,
    masked_keys,
    require_refinement,
    seen_by_all,
    sine_grid,
)
from capekit.models.losses import heatmap_mse
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task

# Keypoints decoded at a time on a CPU, where four at full size still fit the cache: a tenth faster than all at once.
CPU_PAIRS = 4


class EncoderLayer(nn.Module):
    """Self-attention of the query's pixels and feed-forward; positions are added to query and key only."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, pixels: Tensor, position: Tensor) -> Tensor:
        """pixels (B, HW, C), position (HW, C)."""
        placed = pixels + position
        return self.feed_forward(self.self_attention(pixels, placed, placed, pixels))


class InteractionLayer(nn.Module):
    """One block of the Keypoint Interaction Module: keypoints see each other, then the query's pixels."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, self_attention: bool,
                 cross_attention: bool):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout) if self_attention else None
        self.cross_attention = PostNormAttention(channels, heads, dropout) if cross_attention else None
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, pixels: Tensor, position: Tensor, masked: Tensor) -> Tensor:
        """tokens (B, K, C), pixels (B, HW, C), position (HW, C), masked (B, K) bool."""
        if self.self_attention:
            tokens = self.self_attention(tokens, tokens, tokens, tokens, masked)
        if self.cross_attention:
            tokens = self.cross_attention(tokens, tokens, pixels + position, pixels)
        return self.feed_forward(tokens)


class ConvolutionMatching(nn.Module):
    """The Matching Head (equation 2): [pixels, expanded keypoint] -> 3 x 3 convolution -> deconvolutions -> heat map.

    Args:
        channels: of pixels and keypoints.
        decoder_channels: of the deconvolutions.
        max_pairs: keypoints decoded at a time in eval mode, which bounds memory; on a CPU at most `CPU_PAIRS`. Training
            takes all at once, so that BatchNorm sees them together.
    """

    def __init__(self, channels: int, decoder_channels: int, max_pairs: int):
        super().__init__()
        self.max_pairs = max_pairs
        self.conv = nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.decoder = Deconvolutions(channels, decoder_channels, 1)

    def forward(self, pixels: Tensor, tokens: Tensor, sample: Tensor) -> Tensor:
        """pixels (B, C, H, W), P keypoints (P, C) and their samples (P,) -> heat maps (P, 8 H, 8 W)."""
        channels, size = pixels.shape[1], pixels.shape[-2:]
        # A convolution is linear: its pixel half is the same for all keypoints of a sample. Its other half sees a
        # constant image, where only the number of the nine taps that fall outside differs from place to place.
        pixel_weight, token_weight = self.conv.weight.split(channels, 1)
        taps = torch.einsum('pi,oit->pot', tokens, token_weight.flatten(2))
        inside = F.unfold(pixels.new_ones(1, 1, *size), 3, padding=1)[0].to(taps.dtype)  # (9, HW)
        from_tokens = (taps @ inside).unflatten(-1, size)
        from_pixels = F.conv2d(pixels, pixel_weight, padding=1)
        matched = from_pixels[sample] + from_tokens
        most = self.max_pairs if matched.is_cuda else min(self.max_pairs, CPU_PAIRS)
        parts = [matched] if self.training else matched.split(most)
        return torch.cat([self.decoder(self.norm(part).relu()) for part in parts])[:, 0]


class InnerProductMatching(nn.Module):
    """Row 2 of table 3: the inner product of keypoint and pixel, scaled as in attention, resized to the heat map."""

    def forward(self, pixels: Tensor, tokens: Tensor, sample: Tensor) -> Tensor:
        """As `ConvolutionMatching`."""
        similarity = torch.einsum('pc,pchw->phw', tokens, pixels[sample]) / pixels.shape[1] ** 0.5
        # Zeros around it: repeating the border, as resizing does, would create flat maxima there.
        similarity = F.pad(similarity[:, None], (1, 1, 1, 1))
        return F.interpolate(similarity, scale_factor=8, mode='bilinear', align_corners=False)[:, 0, 8:-8, 8:-8]


@MODELS.register_module()
class POMNetHead(nn.Module):
    """Keypoint Interaction Module and Matching Head on the coarsest feature map.

    The paper's estimator has two backbones: give `CapeEstimator` a `support_backbone`.

    Args:
        in_channels: of the backbones' maps, fine to coarse; only the coarsest is used.
        channels: C of every token.
        num_heads, hidden_channels, dropout: of every transformer layer.
        encoder_layers: layers over the query's pixels; row 1 of table 3 has none.
        interaction_layers: blocks of the Keypoint Interaction Module.
        self_attention, cross_attention: of the blocks; without both there is no module (rows 1, 3 and 4 of table 3).
        matching: 'convolution', or 'inner_product' (row 2 of table 3).
        decoder_channels: of the Matching Head's deconvolutions.
        max_pairs: keypoints that pass through the Matching Head at a time in eval mode.
        reduction: 'release' (default: the published checkpoints and numbers come from it) divides a sample's squared
            error by `num_slots`, so that keypoints have equal weight; 'paper' divides by its number of valid keypoints,
            so that categories have (equation 3).
        num_slots: of the released loss; nothing else depends on it.
        refine: refinement of the decoded maxima, see `decode_heatmaps`.
        heatmap_size: of the support pooling. Predicted maps are eight times the feature map's size.
        sigma: of the Gaussian targets, in cells.
    """

    @checked
    def __init__(self, in_channels: Sequence[int], channels: Channels = 256, num_heads: Heads = 8,
                 hidden_channels: Size = 2048, dropout: Dropout = 0.1, encoder_layers: Count = 3,
                 interaction_layers: Count = 3,
                 self_attention: bool = True, cross_attention: bool = True,
                 matching: Literal['convolution', 'inner_product'] = 'convolution', decoder_channels: Size = 256,
                 max_pairs: Size = 64, reduction: Literal['release', 'paper'] = 'release', num_slots: Size = 100,
                 refine: Refinement = 'quarter', heatmap_size: Size = 64, sigma: Positive = 2.0):
        super().__init__()
        require_refinement(refine, 'POMNetHead')
        self.channels, self.refine, self.heatmap_size, self.sigma = channels, refine, heatmap_size, sigma
        self.loss_slots = num_slots if reduction == 'release' else None

        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.support_projection = nn.Linear(in_channels[-1], channels)
        self.encoder = nn.ModuleList(
            EncoderLayer(channels, num_heads, hidden_channels, dropout) for _ in range(encoder_layers))
        if not self_attention and not cross_attention:
            interaction_layers = 0
        self.interaction = nn.ModuleList(
            InteractionLayer(channels, num_heads, hidden_channels, dropout, self_attention, cross_attention)
            for _ in range(interaction_layers))
        self.interaction_norm = nn.LayerNorm(channels) if interaction_layers else nn.Identity()
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        # After the initialisation: its deconvolutions have their own.
        self.matching = (ConvolutionMatching(channels, decoder_channels, max_pairs) if matching == 'convolution'
                         else InnerProductMatching())

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """Equation 1: features pooled from the coarsest map, `keypoints` (N, K, C_in), and `seen` (N, K) bool."""
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        return dict(keypoints=heatmap_pooling(maps[-1], heatmaps), seen=seen)

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W): the coarsest map, projected, after the encoder over its pixels."""
        pixels = self.query_projection(maps[-1])
        height, width = pixels.shape[-2:]
        pixels = pixels.flatten(2).transpose(1, 2)
        position = sine_grid(height, width, self.channels, device=pixels.device).to(pixels.dtype)
        for layer in self.encoder:
            pixels = layer(pixels, position)
        return dict(pixels=pixels.transpose(1, 2).unflatten(2, (height, width)))

    def prepare(self, support: dict, task: Task) -> dict:
        """`tokens` (B, K, C), the projected mean over the shots, and `mask` (B, K) bool.

        A keypoint that some support does not see is masked like padding: it is answered, but nothing attends to it.
        """
        mask = seen_by_all(support['seen'], task.num_keypoints)
        return dict(tokens=self.support_projection(support['keypoints'].mean(1) * mask[..., None]), mask=mask)

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`.

        `extras`: `mask` (B, K) bool, `heatmaps` (B, K, H, W), `maxima` (B, K), the unclamped scores.
        """
        mask, pixels = state['mask'], query['pixels']
        tokens = self.interact(state['tokens'], pixels, mask)
        pairs, place = self._pairs(mask)
        heatmaps = self.matching(pixels, tokens[pairs], pairs.nonzero()[:, 0])[place]
        points, maxima = decode_heatmaps(heatmaps, self.refine)
        return Prediction(points=points.float(), scores=maxima.float().clamp(0, 1),
                          extras=dict(mask=mask, heatmaps=heatmaps, maxima=maxima))

    def interact(self, tokens: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        """Keypoint Interaction Module: tokens (B, K, C), pixels (B, C, H, W), mask (B, K) -> (B, K, C)."""
        height, width = pixels.shape[-2:]
        position = sine_grid(height, width, self.channels, device=pixels.device).to(pixels.dtype)
        pixels = pixels.flatten(2).transpose(1, 2)
        for layer in self.interaction:
            tokens = layer(tokens, pixels, position, masked_keys(mask))
        return self.interaction_norm(tokens)

    def _pairs(self, mask: Tensor) -> tuple:
        """Which keypoints to match, (B, K) bool, and for every slot the index of its answer among them, (B, K) int64.

        The masked slots of a sample all hold the same token, so one of them is matched for all. In training none is:
        they are not supervised, and BatchNorm should see keypoints that exist.
        """
        first = (~mask).int().argmax(1, keepdim=True)  # the first masked slot; slot 0 if there is none
        pairs = mask if self.training and mask.any() else mask.scatter(1, first, True)
        place = (pairs.flatten().cumsum(0) - 1).view_as(pairs)
        return pairs, torch.where(mask, place, place.gather(1, first))

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """`mse_loss` (equation 3); only keypoints that the query and every support see are supervised."""
        heatmaps = prediction.extras['heatmaps']
        target, weight = gaussian_heatmaps(
            episode.query_points, episode.query_visible, heatmaps.shape[-1], self.sigma)
        return dict(mse_loss=heatmap_mse(heatmaps, target, weight & prediction.extras['mask'], self.loss_slots))
