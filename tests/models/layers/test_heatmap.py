"""Heat maps against mmpose's codec, pooling against its definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from capekit.models.layers import gaussian_heatmaps, heatmap_pooling


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-80, 340), st.floats(-80, 340), st.booleans()), min_size=1, max_size=8))
def test_equal_to_mmpose(keypoints):
    pytest.importorskip('mmpose')
    from mmpose.codecs.utils import generate_gaussian_heatmaps
    points = np.array([k[:2] for k in keypoints], np.float32)
    visible = np.array([k[2] for k in keypoints])
    expected, weights = generate_gaussian_heatmaps((64, 64), points[None] / 4, visible[None].astype(np.float32), 2)
    maps, seen = gaussian_heatmaps(torch.from_numpy(points) / 256, torch.from_numpy(visible))
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    np.testing.assert_array_equal(seen, weights[0] > 0)


def test_recorded_crops(shared):
    case = np.load(shared / 'reference/protocol/crops_realpose_train.npz')
    for n in range(int(case['count'])):
        points, visible = torch.from_numpy(case[f'{n}/points_crop']) / 256, torch.from_numpy(case[f'{n}/visible'])
        maps, weight = gaussian_heatmaps(points, visible)
        np.testing.assert_allclose(maps[:6], case[f'{n}/target'], atol=1e-6)
        np.testing.assert_array_equal(weight, case[f'{n}/target_weight'] > 0)


def test_pooling_is_upsampling_and_weighing():
    torch.manual_seed(0)
    features = torch.randn(2, 7, 5, 8)
    maps = torch.rand(2, 3, 16, 16)
    weights = maps / (maps.sum((-2, -1), keepdim=True) + 1e-8)
    large = F.interpolate(features, (16, 16), mode='bilinear', align_corners=False)
    expected = torch.einsum('nkhw,nchw->nkc', weights, large)
    torch.testing.assert_close(heatmap_pooling(features, maps), expected, atol=1e-5, rtol=1e-5)
