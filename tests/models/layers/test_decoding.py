"""From heat maps to points: the released quarter-pixel rule, DARK, and empty maps."""

import numpy as np
import pytest
import torch

from capekit.errors import CapekitError
from capekit.models.adaptation import FineTuneEstimator
from capekit.models.heads import POMNetHead
from capekit.models.layers import decode_heatmaps, gaussian_heatmaps, require_refinement


def _released(heatmap):
    """The rule for one map, written out."""
    height, width = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), width)
    if heatmap[y, x] <= 0:
        return np.array([-1 / width, -1 / height])
    point = np.array([x, y], float)
    if 1 < x < width - 1 and 1 < y < height - 1:
        point += 0.25 * np.sign([heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]])
    return point / [width, height]


def test_quarter_is_the_released_rule():
    heatmaps = torch.randn(2, 300, 8, 12, generator=torch.Generator().manual_seed(0))
    heatmaps[0, :5] = -heatmaps[0, :5].abs()
    heatmaps[1, 0] = 0
    points, maxima = decode_heatmaps(heatmaps)
    expected = np.stack([_released(heatmap.numpy()) for heatmap in heatmaps.flatten(0, 1)])
    np.testing.assert_allclose(points.flatten(0, 1), expected, atol=1e-6)
    assert torch.equal(maxima, heatmaps.amax((-2, -1)))


@pytest.mark.parametrize(('refine', 'cells'), [('dark', 0.02), ('quarter', 0.26), ('none', 0.51)])
def test_how_near_each_refinement_comes(refine, cells):
    """Gaussians whose centres do not fall on cells."""
    if refine == 'dark':
        pytest.importorskip('mmpose')
    centres = 10 + 44 * torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    grid = torch.arange(64.0)
    offset = grid - centres[..., None]
    maps = torch.exp(-(offset[:, 1, :, None] ** 2 + offset[:, 0, None] ** 2) / 8)
    before = maps.clone()
    points, _ = decode_heatmaps(maps, refine)
    assert (points * 64 - centres).abs().max() < cells
    assert torch.equal(maps, before)


def test_dark_leaves_empty_maps_alone():
    pytest.importorskip('mmpose')
    maps, _ = gaussian_heatmaps(torch.tensor([[0.5, 0.5], [0.3, 0.4]]), torch.tensor([False, True]))
    points, _ = decode_heatmaps(maps, 'dark')
    torch.testing.assert_close(points[0], torch.full((2,), -1 / 64))
    assert (points[1] - torch.tensor([0.3, 0.4])).abs().max() < 0.01
    assert decode_heatmaps(torch.zeros(3, 8, 8), 'dark')[0].isfinite().all()


def test_dark_without_mmpose_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    require_refinement('quarter', 'POMNetHead')
    for method, owner in ((POMNetHead, 'POMNetHead'), (FineTuneEstimator, 'FineTuneEstimator')):
        arguments = dict(in_channels=[8]) if method is POMNetHead else dict(backbone={})
        with pytest.raises(CapekitError, match=f"{owner}: refine='dark' needs mmpose, which is not installed"):
            method(**arguments, refine='dark')
