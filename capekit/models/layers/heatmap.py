"""Gaussian heat maps of keypoints, and the support features pooled under them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_heatmaps(points: Tensor, visible: Tensor, size: int = 64, sigma: float = 2.0) -> tuple:
    """One heat map per keypoint: a Gaussian with peak 1, cut to a square of radius 3 sigma around the nearest cell.

    The same maps as mmpose's MSRA codec, batched and on the device. A keypoint whose square misses the map by more
    than a cell gets no weight.

    Args:
        points: (..., 2) x, y divided by the crop size.
        visible: (...) bool.
        size: cells per side of the square map.
        sigma: in cells.

    Returns:
        heat maps (..., size, size) float32, indexed y, x, zero where the weight is; weights (...) bool.
    """
    radius, centre = _square(points, size, sigma)
    weight = heatmap_weight(points, visible, size, sigma)
    cells = torch.arange(size, device=points.device, dtype=points.dtype)
    offset = cells - centre[..., None]  # (..., 2, size): along x, along y
    axis = torch.exp(-offset ** 2 / (2 * sigma ** 2)) * (offset.abs() <= radius)
    maps = axis[..., 1, :, None] * axis[..., 0, None, :]
    return maps * weight[..., None, None], weight


def heatmap_weight(points: Tensor, visible: Tensor, size: int = 64, sigma: float = 2.0) -> Tensor:
    """The weights of `gaussian_heatmaps` without its maps."""
    radius, centre = _square(points, size, sigma)
    return visible & (centre - radius < size).all(-1) & (centre + radius + 1 >= 0).all(-1)


def _square(points: Tensor, size: int, sigma: float) -> tuple[int, Tensor]:
    """Half the side of the square that a Gaussian is cut to, and its nearest cells (..., 2)."""
    # `trunc`, not `round`: the released code casts to int, which matters left of and above the crop.
    return int(3 * sigma), torch.trunc(torch.nan_to_num(points) * size + 0.5)


def _upsampling_matrix(small: int, large: int, device, dtype) -> Tensor:
    """(large, small): bilinear upsampling of one axis (`align_corners=False`) as a matrix."""
    eye = torch.eye(small, device=device, dtype=dtype)[:, None]
    return F.interpolate(eye, size=large, mode='linear', align_corners=False)[:, 0].T


def heatmap_pooling(feature_map: Tensor, heatmaps: Tensor) -> Tensor:
    """Mean of a feature map under each heat map ("soft ROI pooling", CapeFormer section 3.2).

    Equal to resizing the feature map bilinearly to the heat map's size, weighting it by the heat map divided by its sum
    (+ 1e-8), and summing. Resizing is linear, so the heat maps are brought to the feature map's size instead: for a
    stride-32 map of 2048 channels that is 60 times less work and needs no (2048, 64, 64) array.

    Args:
        feature_map: (N, C, H, W).
        heatmaps: (N, K, size, size).

    Returns:
        (N, K, C).
    """
    size, (height, width) = heatmaps.shape[-1], feature_map.shape[-2:]
    maps = heatmaps / (heatmaps.sum((-2, -1), keepdim=True) + 1e-8)
    rows = _upsampling_matrix(height, size, maps.device, maps.dtype)
    columns = _upsampling_matrix(width, size, maps.device, maps.dtype)
    weights = rows.T @ maps @ columns  # (N, K, H, W)
    return weights.flatten(2).to(feature_map.dtype) @ feature_map.flatten(2).transpose(1, 2)
