"""From heat maps to points."""

import importlib.util
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from capekit.errors import CapekitError

Refinement = Literal['quarter', 'dark', 'none']


def require_refinement(refine: str, owner: str) -> None:
    """Raise a CapekitError, before any training, if `decode_heatmaps` lacks what a refinement needs."""
    if refine == 'dark' and importlib.util.find_spec('mmpose') is None:
        raise CapekitError(f"{owner}: refine='dark' needs mmpose, which is not installed here (it is on Python 3.10 to "
                           "3.12: make setup PYTHON=python3.11); without it: refine='quarter'")


@torch.no_grad()
def decode_heatmaps(heatmaps: Tensor, refine: Refinement = 'quarter') -> tuple:
    """The position of each map's maximum, to sub-cell accuracy.

    Args:
        heatmaps: (..., H, W), cell x, y standing for the point (x, y) / (W, H) as in `gaussian_heatmaps`.
        refine: 'quarter' of a cell toward the higher neighbour on each axis, for maxima with 1 < x < W - 1 and
            1 < y < H - 1, as released; 'dark', a Newton step on the blurred log map (Zhang et al., CVPR 2020; mmpose's,
            on the CPU); 'none'.

    Returns:
        points (..., 2) normalised x, y, cell (-1, -1) where no value is above 0; maxima (...).
    """
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2)
    maxima, best = flat.max(-1)
    x, y = best % width, best // width
    cells = torch.stack((x, y), -1).to(heatmaps.dtype)
    if refine == 'quarter':
        inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)

        def beside(step: int) -> Tensor:
            return flat.gather(-1, (best + step).clamp(0, height * width - 1)[..., None])[..., 0]
        slope = torch.stack((beside(1) - beside(-1), beside(width) - beside(-width)), -1)
        cells = cells + 0.25 * slope.sign() * inside[..., None]
    found = maxima > 0
    if refine == 'dark' and found.any():
        cells[found] = _dark(heatmaps[found], cells[found])
    cells = torch.where(found[..., None], cells, -1.0)
    return cells / cells.new_tensor([width, height]), maxima


def _dark(heatmaps: Tensor, cells: Tensor) -> Tensor:
    """(N, H, W), (N, 2) -> (N, 2); every map has a value above 0."""
    from mmpose.codecs.utils import refine_keypoints_dark  # heavy: imported only where used
    # The kernel that mmpose pairs with a target of sigma 2. mmpose writes to both arrays.
    refined = refine_keypoints_dark(cells.float().cpu().numpy()[None].copy(), heatmaps.float().cpu().numpy().copy(), 11)
    return torch.from_numpy(np.ascontiguousarray(refined[0])).to(cells)
