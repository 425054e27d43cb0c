"""The released models' recorded answers: points of every layer, similarity maps and loss terms."""

import numpy as np
import pytest
import torch
from released_cases import load_case

from capekit.models.layers import gaussian_heatmaps


@pytest.mark.parametrize('name', ['capeformer_1shot', 'capeformer_5shot'])
def test_capeformer(shared, name):
    case, episode, estimator = load_case(shared, name)
    prediction = estimator(episode, mode='predict')
    np.testing.assert_array_equal(prediction.extras['mask'], case['out/mask'])
    assert prediction.layers.shape == case['out/layers'].shape
    np.testing.assert_allclose(prediction.layers, case['out/layers'], rtol=0, atol=5e-5)
    np.testing.assert_array_equal(prediction.points, prediction.layers[-1])
    np.testing.assert_allclose(prediction.extras['proposals'], case['out/proposals'], rtol=0, atol=1e-4)
    similarity = case['out/similarity']
    np.testing.assert_allclose(prediction.extras['similarity'], similarity, rtol=0, atol=1e-3 * np.ptp(similarity))

    _check_losses(estimator, episode, case)


def _check_losses(estimator, episode, case):
    losses = estimator(episode, mode='loss')
    recorded = {key[len('out/loss/'):]: float(case[key]) for key in case.files if key.startswith('out/loss/')}
    assert {key: float(value.detach()) for key, value in losses.items()} == pytest.approx(recorded, rel=1e-4)


@pytest.mark.parametrize('name', ['pomnet_1shot', 'pomnet_5shot'])
def test_pomnet(shared, name):
    case, episode, estimator = load_case(shared, name)
    prediction = estimator(episode, mode='predict')
    np.testing.assert_array_equal(prediction.extras['mask'], case['out/mask'])
    # Padding included, though it is not computed slot by slot.
    heatmaps = case['out/heatmaps_first8']
    np.testing.assert_allclose(prediction.extras['heatmaps'][:, :8], heatmaps, rtol=0, atol=1e-3 * np.ptp(heatmaps))
    np.testing.assert_allclose(prediction.points * 256, case['out/keypoints'], rtol=0, atol=1e-3)
    np.testing.assert_allclose(prediction.extras['maxima'], case['out/scores'], rtol=0, atol=1e-3 * np.ptp(heatmaps))
    _check_losses(estimator, episode, case)


@pytest.mark.parametrize('name', ['fmmp_1shot', 'fmmp_5shot'])
def test_fmmp(shared, name):
    case, episode, estimator = load_case(shared, name)
    prediction = estimator(episode, mode='predict')
    extras = prediction.extras
    np.testing.assert_array_equal(extras['padded_points'], case['out/padded_points'][:, :-1])
    np.testing.assert_array_equal(extras['padded_visible'], case['out/padded_visible'][:, :-1])
    np.testing.assert_array_equal(extras['orders'], case['out/reference_index'][:, :-1, :, :8])
    np.testing.assert_array_equal(extras['query_order'], case['out/reference_index'][:, -2, :, :8])
    np.testing.assert_allclose(extras['padded_layers'], case['out/layers'], rtol=0, atol=5e-5)
    np.testing.assert_array_equal(prediction.points, prediction.layers[-1])
    # The query, which the loss pads, and the matrix of edges whose two ends are visible.
    for image in range(case['images'].shape[1]):
        points, visible = (torch.from_numpy(case[key][:, image]) for key in ('points', 'visible'))
        points, visible = extras['padding'].pad(points / 256, visible)
        np.testing.assert_array_equal(points, case['out/padded_points'][:, image])
        np.testing.assert_array_equal(visible, case['out/padded_visible'][:, image])
        for sample, edges in enumerate(extras['padding'].edges(visible)):
            linked = torch.zeros(len(visible[sample]), len(visible[sample]), dtype=torch.bool)
            a, b = torch.tensor(edges).T
            linked[a, b] = linked[b, a] = visible[sample][a] & visible[sample][b]
            np.testing.assert_array_equal(linked, case['out/padded_links'][sample, image])
    _check_losses(estimator, episode, case)


@pytest.mark.parametrize('name', ['capeformer_1shot', 'capeformer_5shot', 'pomnet_1shot', 'pomnet_5shot'])
def test_target_weight(shared, name):
    case = np.load(shared / f'reference/parity/{name}.npz')
    points, visible = torch.from_numpy(case['points']) / 256, torch.from_numpy(case['visible'])
    np.testing.assert_array_equal(gaussian_heatmaps(points, visible)[1], case['out/target_weight'])
