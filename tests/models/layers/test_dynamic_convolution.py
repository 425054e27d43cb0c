"""The dynamic convolution: one grouped convolution equals a convolution per sample, and it starts as the identity."""

import torch
import torch.nn.functional as F

from capekit.models.layers import DynamicDepthwise


def test_each_sample_has_its_own_kernels():
    torch.manual_seed(0)
    layer = DynamicDepthwise(4, 3).eval()
    torch.nn.init.normal_(layer.kernels.weight)
    maps, keypoints = torch.randn(2, 4, 6, 5), torch.randn(2, 7, 4)
    valid = torch.ones(2, 7, dtype=torch.bool)
    valid[1, 4:] = False
    result = layer(maps, keypoints, valid)
    for n, count in ((0, 7), (1, 4)):
        kernels = layer.kernels(keypoints[n, :count].mean(0)).view(4, 1, 3, 3)
        expected = layer.norm(F.conv2d(maps[n:n + 1], kernels, padding=1, groups=4)).relu()
        torch.testing.assert_close(result[n:n + 1], expected, atol=1e-5, rtol=1e-5)


def test_starts_by_passing_the_map_through():
    layer = DynamicDepthwise(4, 7).eval()
    torch.nn.init.zeros_(layer.kernels.weight)
    maps = torch.rand(2, 4, 9, 9)
    result = layer(maps, torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(result, maps, atol=1e-4, rtol=1e-4)
