"""ImageNet features of EfficientNet-Lite0, from its package: nothing is fetched at run time."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capekit.models.backbones import TimmPyramid

STRIDES = (4, 8, 16, 32)
STRIDE = 8
"""Of the joined map."""


class LiteFeatures(nn.Module):
    """Maps of strides 4 to 32 of (N, 3, H, W) uint8 RGB images."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: str | None = 'imagenet'):
        super().__init__()
        self.network = TimmPyramid('tf_efficientnet_lite0', STRIDES, weights)
        self.network.init_weights()
        self.eval()
        self.channels = self.network.channels
        self.register_buffer('mean', torch.tensor(self.network.mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(self.network.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) uint8 -> four maps (N, C, H / stride, W / stride)."""
        images = (images.float() - self.mean) / self.std
        return self.network(images)


def joined(maps: list[Tensor]) -> Tensor:
    """Maps of strides 4 to 32 -> one of stride 8: (N, sum of C, H / 8, W / 8)."""
    height, width = maps[STRIDES.index(STRIDE)].shape[-2:]
    size = height, width
    return torch.cat([F.adaptive_avg_pool2d(one, size) if one.shape[-1] > width else
                      F.interpolate(one, size, mode='bilinear', align_corners=False) for one in maps], 1)


def decode(logits: Tensor, stride: int, radius: int = 2) -> tuple[Tensor, Tensor]:
    """The mean of each map's softmax within `radius` cells of its maximum.

    Args:
        logits: (N, K, h, w), cell (0, 0) covering pixels 0 to `stride` - 1.
        stride: pixels per cell.
        radius: of the square window.

    Returns:
        points (N, K, 2) x, y normalised by the image's size, and the share of the softmax inside the window (N, K).
    """
    height, width = logits.shape[-2:]
    mass = logits.flatten(-2).softmax(-1)
    best = mass.argmax(-1, keepdim=True)
    ys, xs = (torch.arange(n, device=logits.device) for n in (height, width))
    y, x = ys.repeat_interleave(width), xs.repeat(height)
    near = ((x - best % width).abs() <= radius) & ((y - best // width).abs() <= radius)
    mass = mass * near
    share = mass.sum(-1)
    cells = torch.stack(((mass * x).sum(-1), (mass * y).sum(-1)), -1) / share[..., None]
    # Pixel centres are at integers: the middle of cell 0 is at (stride - 1) / 2.
    pixels = stride * cells + (stride - 1) / 2
    return pixels / pixels.new_tensor([width * stride, height * stride]), share


def look_up(maps: Tensor, points: Tensor) -> Tensor:
    """Values of maps (N, K, h, w) at points (N, K, 2) normalised by the image's size: (N, K), bilinear."""
    grid = (2 * points.to(maps.dtype) - 1).flatten(0, 1)[:, None, None]
    return F.grid_sample(maps.flatten(0, 1)[:, None], grid, align_corners=False).view(points.shape[:2])
