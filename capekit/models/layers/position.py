"""Sine position encodings of grids and of points, and the inverse of the sigmoid used for coordinates."""

import math

import torch
from torch import Tensor


def _encode_axis(value: Tensor, features: int, temperature: float) -> Tensor:
    """(...) angles -> (..., features): alternating sin and cos of the angle over falling frequencies."""
    index = torch.arange(features, device=value.device)
    frequency = temperature ** (2 * torch.div(index, 2, rounding_mode='floor') / features)
    angle = value[..., None] / frequency
    return torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), -1).flatten(-2)


def sine_grid(height: int, width: int, channels: int, device=None, temperature: float = 10000.0) -> Tensor:
    """Encodings of the cells of a grid, as DETR numbers them: from 1, divided by the last, times 2 pi.

    Args:
        height, width: cells of the grid.
        channels: C, even; the first half encodes y, the second x.

    Returns:
        (height * width, C) float32, row by row.
    """
    y = torch.arange(1, height + 1, device=device, dtype=torch.float32) / (height + 1e-6) * 2 * math.pi
    x = torch.arange(1, width + 1, device=device, dtype=torch.float32) / (width + 1e-6) * 2 * math.pi
    y = _encode_axis(y, channels // 2, temperature)[:, None].expand(-1, width, -1)
    x = _encode_axis(x, channels // 2, temperature)[None].expand(height, -1, -1)
    return torch.cat((y, x), -1).flatten(0, 1)


def sine_numbers(count: int, channels: int, device=None, temperature: float = 10000.0) -> Tensor:
    """Encodings of the numbers 0 .. count - 1, as Vaswani et al. number words: (count, C); none depends on `count`."""
    return _encode_axis(torch.arange(count, device=device, dtype=torch.float32), channels, temperature)


def sine_points(points: Tensor, channels: int, temperature: float = 10000.0) -> Tensor:
    """Encodings of normalised points: (..., 2) x, y in [0, 1] -> (..., C), the y half first."""
    angle = points * 2 * math.pi
    return torch.cat((_encode_axis(angle[..., 1], channels // 2, temperature),
                      _encode_axis(angle[..., 0], channels // 2, temperature)), -1)


def inverse_sigmoid(value: Tensor, eps: float = 1e-3) -> Tensor:
    """Logit of values in [0, 1], finite at both ends: value and 1 - value are clamped to at least `eps`."""
    value = value.clamp(0, 1)
    return torch.log(value.clamp(min=eps) / (1 - value).clamp(min=eps))
