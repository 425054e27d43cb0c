"""Losses that several methods share."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from capekit.structures import Prediction


def heatmap_mse(heatmaps: Tensor, target: Tensor, weight: Tensor, slots: int | None = None) -> Tensor:
    """Squared error of heat maps, mean over pixels.

    Args:
        heatmaps, target: (B, K, H, W).
        weight: (B, K), 1 where a keypoint is supervised, else 0.
        slots: None divides a sample's sum by its number of supervised keypoints (1 if it has none): categories have
            equal weight. A number divides every sample's sum by it: keypoints have equal weight.

    Returns:
        scalar, the mean over the B samples.
    """
    return keypoint_mean((heatmaps - target).square().mean((-2, -1)), weight, slots)


def keypoint_mean(error: Tensor, weight: Tensor, slots: int | None = None) -> Tensor:
    """(B, K) -> scalar: errors where `weight` is 1, over keypoints, then over samples; `slots` as in `heatmap_mse`."""
    return ((error * weight).sum(1) / (slots or weight.sum(1).clamp(min=1))).mean()


def similarity_error(similarity: Tensor, heatmaps: Tensor) -> Tensor:
    """CapeFormer's equation 5 per keypoint: squared error of sigmoid(similarity), mean over pixels.

    Args:
        similarity: (B, K, h, w) logits.
        heatmaps: (B, K, H, W), resized to (h, w) and divided by their own maximum.

    Returns:
        (B, K).
    """
    target = F.interpolate(heatmaps, similarity.shape[-2:], mode='bilinear', align_corners=False)
    target = target / (target.amax((-2, -1), keepdim=True) + 1e-10)
    return (similarity.sigmoid() - target).square().mean((-2, -1))


def similarity_cross_entropy(similarity: Tensor, heatmaps: Tensor) -> Tensor:
    """Cross-entropy of softmax(similarity) against the heat map as a distribution; arguments as `similarity_error`.

    The squared error pushes down all but a few cells of a map from the first step on and says little about where the
    keypoint is; this loss says where. From random weights it finds the matches several times sooner.
    """
    target = F.interpolate(heatmaps, similarity.shape[-2:], mode='bilinear', align_corners=False).flatten(2)
    target = target / (target.sum(-1, keepdim=True) + 1e-10)
    return -(target * similarity.flatten(2).log_softmax(-1)).sum(-1)


SimilarityError = Literal['squared', 'cross_entropy']
SIMILARITY_ERRORS = dict(squared=similarity_error, cross_entropy=similarity_cross_entropy)


def matching_losses(extras: dict, heatmaps: Tensor, points: Tensor, weight: Tensor, heatmap_weight: float,
                    proposal_weight: float, similarity_error: SimilarityError) -> dict:
    """CapeFormer's `heatmap_loss` (equation 5) and `proposal_loss` (equation 7), weighted; 0 leaves a term out.

    Args:
        extras: `similarity` and `proposals` of `layers.Matching`.
        heatmaps: (B, K, H, W) targets.
        points: (B, K, 2) normalised true points, finite everywhere.
        weight: (B, K) bool, the keypoints that are supervised.
        similarity_error: one of `SIMILARITY_ERRORS`.
    """
    losses = {}
    if heatmap_weight:
        error = SIMILARITY_ERRORS[similarity_error](extras['similarity'], heatmaps)
        losses['heatmap_loss'] = heatmap_weight * keypoint_mean(error, weight)
    if proposal_weight:
        losses['proposal_loss'] = proposal_weight * keypoint_mean(
            (extras['proposals'] - points).abs().sum(-1), weight)
    return losses


def layer_losses(prediction: Prediction, points: Tensor, weight: Tensor) -> dict:
    """`l1_loss_layer<l>`: L1 distance of the points after each layer, as released; `points`, `weight` as above."""
    return {f'l1_loss_layer{index}': keypoint_mean((layer - points).abs().sum(-1), weight)
            for index, layer in enumerate(() if prediction.layers is None else prediction.layers)}
