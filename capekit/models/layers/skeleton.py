"""A category's links as matrices."""

from collections.abc import Sequence

import torch
from torch import Tensor


def link_matrix(links: Sequence[Tensor], counted: Tensor) -> Tensor:
    """Adjacency of B skeletons; a link that is listed twice or in both directions counts once.

    Args:
        links: B tensors (E, 2) int64, zero-based; a link of a keypoint with itself sets the diagonal.
        counted: (B, K) bool; the links of other keypoints are left out.

    Returns:
        (B, K, K) float32, 0 or 1, symmetric.
    """
    matrix = torch.zeros(*counted.shape, counted.shape[1], device=counted.device)
    for linked, edges in zip(matrix, links, strict=True):
        start, end = edges.to(counted.device).unbind(1)
        linked[start, end] = linked[end, start] = 1
    return matrix * (counted[:, :, None] & counted[:, None])


def powers_of(matrix: Tensor, highest: int) -> Tensor:
    """(B, K, K) -> (B, highest + 1, K, K): the identity and the powers of the matrix, its rows divided by their sum."""
    step = normalise_rows(matrix)
    powers = [torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)]
    for _ in range(highest):
        powers.append(powers[-1] @ step)
    return torch.stack(powers, 1)


def normalise_rows(matrix: Tensor) -> Tensor:
    """(..., K, K) weights, none below 0, with every row divided by its sum; a row of zeros stays."""
    return matrix / (matrix.sum(-1, keepdim=True) + 1e-8)
