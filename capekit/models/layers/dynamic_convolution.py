"""A convolution whose kernels are generated from the support, to pass a category's own features (SDPNet, 3.2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from .masking import masked_mean


class DynamicDepthwise(nn.Module):
    """One kernel of `size` x `size` per channel and sample, then BatchNorm and ReLU.

    The kernels start near the identity, so that training starts from the backbone's features.
    """

    def __init__(self, channels: int, size: int = 7):
        super().__init__()
        self.size = size
        self.kernels = nn.Linear(channels, channels * size ** 2)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.normal_(self.kernels.weight, std=0.001)
        nn.init.zeros_(self.kernels.bias)
        nn.init.ones_(self.kernels.bias.data.view(channels, size, size)[:, size // 2, size // 2])

    def forward(self, maps: Tensor, keypoints: Tensor, valid: Tensor) -> Tensor:
        """maps (B, C, H, W), keypoints (B, K, C), valid (B, K) bool: those that make the kernels -> (B, C, H, W)."""
        kernels = self.kernels(masked_mean(keypoints, valid[..., None], 1))  # equation 1
        kernels = kernels.view(-1, 1, self.size, self.size)  # (B * C, 1, size, size)
        # Each sample has its own kernels: the batch becomes groups of one convolution.
        result = F.conv2d(maps.reshape(1, -1, *maps.shape[-2:]), kernels, padding=self.size // 2, groups=len(kernels))
        return self.norm(result.view(maps.shape)).relu()  # equation 2
