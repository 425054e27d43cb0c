"""Deformable attention against its definition; the compiled operator against ours where available."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch

from capekit.models.layers import DeformableAttention, sample_levels
from capekit.models.layers.deformable_attention import _sample_by_grid, _sample_compiled, compiled_sampling


def _inputs(device='cpu'):
    generator = torch.Generator().manual_seed(0)
    sizes = [(3, 5), (6, 10)]
    values = [torch.randn(2, 4, 8, *size, generator=generator).to(device) for size in sizes]
    locations = (torch.rand(2, 7, 4, 2, 3, 2, generator=generator) * 1.4 - 0.2).to(device)  # some are outside
    return values, locations, torch.rand(2, 7, 4, 2, 3, generator=generator).to(device)


def _read(value, x, y):
    """One bilinear read of a (C, H, W) map, zero outside, from the definition."""
    height, width = value.shape[1:]
    column, row = x * width - 0.5, y * height - 0.5
    total = torch.zeros(value.shape[0])
    for i in (int(row // 1), int(row // 1) + 1):
        for j in (int(column // 1), int(column // 1) + 1):
            if 0 <= i < height and 0 <= j < width:
                total += value[:, i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return total


def test_sampling_is_its_definition():
    values, locations, weights = _inputs()
    result = sample_levels(values, locations, weights)
    for n, q, m in ((0, 0, 0), (1, 6, 3), (0, 4, 2)):
        expected = sum(weights[n, q, m, level, p] * _read(values[level][n, m], *locations[n, q, m, level, p].tolist())
                       for level in range(2) for p in range(3))
        torch.testing.assert_close(result[n, q, m], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available() or compiled_sampling() is None,
                    reason='needs a CUDA device and mmcv with compiled operators')
def test_compiled_operator_answers_alike():
    values, locations, weights = _inputs('cuda')
    inputs = [*values, locations, weights]
    answers = []
    for sample in (_sample_by_grid, sample_levels):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        result = sample(leaves[:2], *leaves[2:])
        answers.append([result, *torch.autograd.grad(result.square().sum(), leaves)])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.fixture
def mmcv_definition(monkeypatch):
    """The operator as mmcv defines it in PyTorch. Without compiled operators its file is loaded outside its package."""
    name = 'mmcv.ops.multi_scale_deform_attn'
    try:
        module = importlib.import_module(name)
    except ImportError:
        monkeypatch.setitem(sys.modules, 'mmcv._ext', SimpleNamespace(
            ms_deform_attn_forward=None, ms_deform_attn_backward=None))
        folder = importlib.util.find_spec('mmcv').submodule_search_locations[0]
        spec = importlib.util.spec_from_file_location(name, f'{folder}/ops/multi_scale_deform_attn.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.multi_scale_deformable_attn_pytorch


def test_the_compiled_operator_is_given_its_layout(mmcv_definition):
    """The operator runs on CUDA only; everywhere, the arguments it would get are passed to its definition."""
    class Compiled:
        @staticmethod
        def apply(value, shapes, starts, locations, weights, step):
            ends = [*starts[1:].tolist(), value.shape[1]]
            assert starts[0] == 0 and [int(h * w) for h, w in shapes] == [
                end - start for start, end in zip(starts.tolist(), ends, strict=True)]
            assert len(value) % step == 0 and all(t.is_contiguous() for t in (value, locations, weights))
            return mmcv_definition(value, shapes, locations, weights)

    values, locations, weights = _inputs()
    torch.testing.assert_close(_sample_compiled(Compiled, values, locations, weights),
                               _sample_by_grid(values, locations, weights), atol=1e-5, rtol=1e-5)


def test_a_head_reads_around_its_own_reference():
    torch.manual_seed(0)
    attention = DeformableAttention(16, heads=4, levels=2, points=3)
    queries, references = torch.randn(2, 7, 16), torch.rand(2, 7, 4, 2)
    shared, weights = attention.plan(queries, references[:, :, 0], [(4, 4), (8, 16)])
    own, _ = attention.plan(queries, references, [(4, 4), (8, 16)])
    shift = (references - references[:, :, :1])[:, :, :, None, None]
    torch.testing.assert_close(own, shared + shift)
    torch.testing.assert_close(weights.sum((-2, -1)), torch.ones(2, 7, 4))
    # An offset of one pixel is a different fraction of every map; the first head looks to the right.
    torch.testing.assert_close((own - references[:, :, :, None, None])[0, 0, 0, 1, 0], torch.tensor([1 / 16, 0]))


def test_spread_widens_the_ring():
    attention = DeformableAttention(16, heads=4, levels=1, points=2)
    queries, references = torch.randn(1, 3, 16), torch.rand(1, 3, 2)
    reach = [(attention.plan(queries, references, [(4, 4)], spread)[0] - references[:, :, None, None, None])
             for spread in (None, torch.full((1, 3), 2.0), torch.full((1, 3, 4, 1, 2), 2.0))]
    torch.testing.assert_close(reach[1], 2 * reach[0])
    torch.testing.assert_close(reach[2], reach[1])


def test_half_precision_maps_keep_exact_locations():
    attention = DeformableAttention(16, heads=4, levels=2)
    maps = [torch.randn(1, 16, 4, 4), torch.randn(1, 16, 8, 8)]
    queries, references = torch.randn(1, 3, 16), torch.rand(1, 3, 2)
    plain = attention(queries, references, maps)[0]
    with torch.autocast('cpu', torch.bfloat16):
        half, locations, _ = attention(queries, references, maps)
    assert locations.dtype == torch.float32
    torch.testing.assert_close(half.float(), plain, atol=0.05, rtol=0.05)
