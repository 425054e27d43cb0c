"""Multi-scale deformable attention: each query reads a few learned points of every feature map (Zhu et al., ICLR 2021).

`sample_levels` is the sampling alone: weighted bilinear reads from several maps. With the full mmcv (compiled
operators) it runs as one CUDA kernel; otherwise, and always on CPUs, as PyTorch's `grid_sample`; both give the same
results.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@functools.cache
def compiled_sampling():
    """mmcv's compiled sampling (an autograd function), or None if mmcv is absent or has no compiled operators."""
    try:
        from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
    except ImportError:
        return None
    return MultiScaleDeformableAttnFunction


def sample_levels(values: list, locations: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of bilinear reads, `align_corners=False`, zeros outside the map.

    Args:
        values: L maps (N, M, C, H_l, W_l) of M heads with C channels each.
        locations: (N, Q, M, L, P, 2) x, y in [0, 1] of the map: 0 and 1 are the outer edges of its border pixels.
        weights: (N, Q, M, L, P).

    Returns:
        (N, Q, M, C), summed over levels and points.
    """
    # Under mixed precision the maps are in half precision; locations must not be rounded to it.
    values = [value.to(locations.dtype) for value in values]
    weights = weights.to(locations.dtype)
    compiled = compiled_sampling() if locations.is_cuda else None
    return (_sample_compiled(compiled, values, locations, weights) if compiled
            else _sample_by_grid(values, locations, weights))


def _sample_by_grid(values: list, locations: Tensor, weights: Tensor) -> Tensor:
    heads = locations.shape[2]
    total = locations.new_zeros(())
    for level, value in enumerate(values):
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)  # (N * M, Q, P, 2)
        read = F.grid_sample(value.flatten(0, 1), grid, mode='bilinear', padding_mode='zeros', align_corners=False)
        weight = weights[:, :, :, level].transpose(1, 2).flatten(0, 1)
        total = total + (read * weight[:, None]).sum(-1)  # (N * M, C, Q); a matrix product would be rounded by autocast
    return total.unflatten(0, (-1, heads)).permute(0, 3, 1, 2)


def _sample_compiled(function, values: list, locations: Tensor, weights: Tensor) -> Tensor:
    batch, heads, channels = values[0].shape[:3]
    tokens = torch.cat([value.flatten(3) for value in values], 3).permute(0, 3, 1, 2).contiguous()  # (N, HW, M, C)
    shapes = torch.tensor([value.shape[-2:] for value in values], device=locations.device)
    sizes = shapes.prod(1)
    result = function.apply(tokens, shapes, sizes.cumsum(0) - sizes, locations.contiguous(), weights.contiguous(),
                            batch)
    return result.unflatten(-1, (heads, channels))


class DeformableAttention(nn.Module):
    """Multi-head, multi-scale deformable attention, without residual, norm or dropout.

    Args:
        channels: C of queries and maps.
        heads: M attention heads; M divides C.
        levels: L feature maps.
        points: P points that each head reads per map.
        offset_unit: offsets are in pixels of their map (None, Deformable DETR's) or in this part of the map's side:
            64 has them start as near to the reference on any map as they do on one of 64 x 64 pixels.
    """

    def __init__(self, channels: int, heads: int = 8, levels: int = 3, points: int = 4,
                 offset_unit: int | None = None):
        super().__init__()
        self.heads, self.levels, self.points, self.offset_unit = heads, levels, points, offset_unit
        self.offsets = nn.Linear(channels, heads * levels * points * 2)
        self.weights = nn.Linear(channels, heads * levels * points)
        self.value_projection = nn.Linear(channels, channels)
        self.output_projection = nn.Linear(channels, channels)
        self.init_weights()

    def init_weights(self) -> None:
        """Head m starts by looking in the m-th of M directions, its p-th point p units away; all weights are equal."""
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack((angle.cos(), angle.sin()), -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)  # on a square, not on a circle
        steps = torch.arange(1, self.points + 1)
        ring = direction[:, None, None] * steps[:, None]  # (M, 1, P, 2)
        nn.init.zeros_(self.offsets.weight)
        with torch.no_grad():
            self.offsets.bias.copy_(ring.expand(-1, self.levels, -1, -1).flatten())
        for linear, init in ((self.weights, nn.init.zeros_), (self.value_projection, nn.init.xavier_uniform_),
                             (self.output_projection, nn.init.xavier_uniform_)):
            init(linear.weight)
            nn.init.zeros_(linear.bias)

    def plan(self, queries: Tensor, references: Tensor, sizes: list, spread: Tensor | None = None) -> tuple:
        """Where the queries read, and how much each place counts.

        Args:
            queries: (N, Q, C).
            references: (N, Q, 2) normalised x, y, or (N, Q, M, 2): one per head.
            sizes: (H_l, W_l) of the maps.
            spread: (N, Q) or (N, Q, M, L, P) factor for the offsets; None = 1.

        Returns:
            locations (N, Q, M, L, P, 2) normalised; weights (N, Q, M, L, P), which sum to 1 over L and P together.
        """
        shape = (self.heads, self.levels, self.points)
        offsets = self.offsets(queries).unflatten(-1, (*shape, 2))
        if spread is not None:
            offsets = offsets * spread.view(*spread.shape, *[1] * (6 - spread.dim()))
        weights = self.weights(queries).unflatten(-1, (self.heads, -1)).softmax(-1).unflatten(-1, shape[1:])
        if references.dim() == 3:
            references = references[:, :, None]
        scale = references.new_tensor([(self.offset_unit or width, self.offset_unit or height)
                                       for height, width in sizes])  # (L, 2)
        return references[:, :, :, None, None] + offsets / scale[:, None], weights

    def forward(self, queries: Tensor, references: Tensor, maps: list, spread: Tensor | None = None) -> tuple:
        """-> result (N, Q, C), and the locations and weights of `plan`. `maps`: L of (N, C, H_l, W_l)."""
        locations, weights = self.plan(queries, references, [m.shape[-2:] for m in maps], spread)
        # The linear projection of every pixel, written as a convolution so that maps stay maps.
        values = [F.conv2d(m, self.value_projection.weight[:, :, None, None], self.value_projection.bias)
                  .unflatten(1, (self.heads, -1)) for m in maps]
        result = sample_levels(values, locations, weights).flatten(2)
        return self.output_projection(result.to(queries.dtype)), locations, weights
