"""Losses that several methods share."""

import torch.nn.functional as F
from torch import Tensor


def heatmap_mse(heatmaps: Tensor, target: Tensor, weight: Tensor, slots: int | None = None) -> Tensor:
    """Squared error of heat maps, mean over pixels.

    Args:
        heatmaps, target: (B, K, H, W).
        weight: (B, K), 1 where a keypoint is supervised, else 0.
        slots: None divides a sample's sum by its number of supervised keypoints (1 where it has none): categories
            weigh equally. A number divides every sample's sum by it: keypoints weigh equally.

    Returns:
        scalar, the mean over the B samples.
    """
    return keypoint_mean((heatmaps - target).square().mean((-2, -1)), weight, slots)


def keypoint_mean(error: Tensor, weight: Tensor, slots: int | None = None) -> Tensor:
    """(B, K) -> scalar: errors where `weight` is 1, over keypoints, then over samples; `slots` as in `heatmap_mse`."""
    return ((error * weight).sum(1) / (slots or weight.sum(1).clamp(min=1))).mean()


def similarity_error(similarity: Tensor, heatmaps: Tensor) -> Tensor:
    """CapeFormer's equation 5 of each keypoint: squared error of sigmoid(similarity), mean over pixels.

    Args:
        similarity: (B, K, h, w) logits.
        heatmaps: (B, K, H, W), brought to that size and divided by their own maximum.

    Returns:
        (B, K).
    """
    target = F.interpolate(heatmaps, similarity.shape[-2:], mode='bilinear', align_corners=False)
    target = target / (target.amax((-2, -1), keepdim=True) + 1e-10)
    return (similarity.sigmoid() - target).square().mean((-2, -1))


def similarity_cross_entropy(similarity: Tensor, heatmaps: Tensor) -> Tensor:
    """Cross-entropy of softmax(similarity) against the heat map as a distribution; arguments as `similarity_error`.

    The squared error pushes all but a few cells of a map down from the first step on and says little about where; this
    says where. From random weights it finds the matches several times sooner.
    """
    target = F.interpolate(heatmaps, similarity.shape[-2:], mode='bilinear', align_corners=False).flatten(2)
    target = target / (target.sum(-1, keepdim=True) + 1e-10)
    return -(target * similarity.flatten(2).log_softmax(-1)).sum(-1)


SIMILARITY_ERRORS = dict(squared=similarity_error, cross_entropy=similarity_cross_entropy)
