"""Matching without parameters: keypoints of the supports are found where the query's features are most like theirs.

The likeness is the cosine of centred features, averaged over the maps of several strides. Centred: minus the image's
mean feature, which says what the image is like and not where something is.

Supports are described by `describe_points`, queries by `describe_pixels`; both see single images. `match_features`
compares them. All work for any backbone.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from capekit.choices import Weight, checked

ShotChoice = Literal['best', 'mean']


class FeatureMatch(NamedTuple):
    """Where each keypoint was found in each query."""

    points: Tensor
    """(B, K, 2) normalised x, y; the crop's centre where no support sees the keypoint."""
    scores: Tensor
    """(B, K) cosine at the cell that was found, in [0, 1]; 0 where no support sees the keypoint."""
    similarity: Tensor
    """(B, K, H, W): cosine less the position penalty, aggregated over the shots that see the keypoint; else 0."""


def describe_points(maps: list, points: Tensor, visible: Tensor) -> dict:
    """Descriptors of the keypoints of N support images.

    Args:
        maps: the backbone's (N, C_i, H_i, W_i), fine to coarse.
        points: (N, K, 2) normalised; read only where visible.
        visible: (N, K) bool.

    Returns:
        `features` (N, K, C) of length 1, where C is the sum of the C_i; `points` (N, K, 2), zero where not seen; `seen`
        (N, K) bool.
    """
    points = points.masked_fill(~visible[..., None], 0)
    grid = (2 * points - 1)[:, :, None]
    levels = [F.grid_sample(_centred(feature_map), grid.to(feature_map.dtype), padding_mode='border',
                            align_corners=False)[..., 0].transpose(1, 2) for feature_map in maps]
    return dict(features=_joined(levels, -1), points=points, seen=visible)


def describe_pixels(maps: list) -> Tensor:
    """Descriptors of the cells of N images: (N, C, H, W) on the finest map's grid, of length 1; arguments as above."""
    size = maps[0].shape[-2:]
    return _joined([F.interpolate(_centred(one), size, mode='bilinear', align_corners=False) for one in maps], 1)


@checked
def match_features(features: Tensor, points: Tensor, seen: Tensor, pixels: Tensor, shots: ShotChoice = 'mean',
                   prior: Weight = 0.0, temperature: Weight = 0.05) -> FeatureMatch:
    """Find the keypoints of B support sets in a query each.

    Args:
        features, points, seen: of `describe_points`, with (B, S, ...) in front.
        pixels: (B, C, H, W) of `describe_pixels`.
        shots: 'mean' of the shots' similarities or the 'best' of them, at each cell; only shots that see the keypoint.
        prior: weight of the squared distance from the keypoint's place in the support, in crop sides; 0 = none. A
            weak one, such as 0.5, tells apart the two sides of a symmetric body.
        temperature: of the softmax over the 3 x 3 cells around the best one, whose mean is the answer; 0 = the best
            cell's centre.
    """
    height, width = pixels.shape[-2:]
    y, x = torch.meshgrid((torch.arange(height, device=pixels.device) + 0.5) / height,
                          (torch.arange(width, device=pixels.device) + 0.5) / width, indexing='ij')
    centres = torch.stack((x, y), -1).flatten(0, 1)  # (HW, 2)
    cosine = features.flatten(1, 2) @ pixels.flatten(2).to(features.dtype)
    cosine = cosine.float().unflatten(1, features.shape[1:3])  # (B, S, K, HW)
    similarity = cosine
    if prior:
        distance = (points[:, :, :, None] - centres).square().sum(-1)
        similarity = similarity - prior * distance
    found = seen.any(1)
    if shots == 'mean':
        weight = (seen / seen.sum(1, keepdim=True).clamp(min=1))[..., None]
        similarity, cosine = (similarity * weight).sum(1), (cosine * weight).sum(1)
    else:
        # -inf would make the padding nan.
        similarity, shot = similarity.masked_fill(~seen[..., None], -1e4).max(1)
        similarity = similarity * found[..., None]
        cosine = cosine.gather(1, shot[:, None])[:, 0]

    best = similarity.argmax(-1, keepdim=True)
    scores = cosine.gather(-1, best)[..., 0].clamp(0, 1) * found
    places = _mean_around(similarity, best, centres, width, temperature) if temperature else centres[best[..., 0]]
    places = torch.where(found[..., None], places, 0.5)
    return FeatureMatch(places, scores, similarity.unflatten(-1, (height, width)))


def _mean_around(similarity: Tensor, best: Tensor, centres: Tensor, width: int, temperature: float) -> Tensor:
    """Sub-cell places: the softmax mean of the 3 x 3 cells around the best one, cut at the border."""
    cell = torch.arange(similarity.shape[-1], device=similarity.device)
    near = ((cell // width - best // width).abs() <= 1) & ((cell % width - best % width).abs() <= 1)
    return (similarity / temperature).masked_fill(~near, float('-inf')).softmax(-1) @ centres


def _centred(feature_map: Tensor) -> Tensor:
    return feature_map - feature_map.mean((-2, -1), keepdim=True)


def _joined(levels: list, dim: int) -> Tensor:
    """Unit features of every level in one, of length 1: its inner products are the mean of the levels' cosines."""
    return torch.cat([F.normalize(level, dim=dim) for level in levels], dim) / len(levels) ** 0.5
