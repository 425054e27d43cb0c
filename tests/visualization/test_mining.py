"""FMMP's figures show what was computed: the padded keypoints, and what was read around each keypoint."""

import numpy as np
import pytest
import torch

from capekit.apis import init_estimator
from capekit.models.padding import Padding
from capekit.visualization.mining import padding_figure, recorded_sampling, sampling_figure

SIZE = 64
OPTIONS = {'model.backbone.name': 'resnet10t.c3_in1k',
           'model.head.channels': 32, 'model.head.num_slots': 20}


@pytest.fixture
def episode(make_episode):
    """One episode, whose support does not show keypoint 1 and whose query does not show keypoint 0."""
    return make_episode(batch=1, shots=1, counts=(5,), size=SIZE)


@pytest.fixture(params=['paper', 'release'])
def estimator(request, repo):
    torch.manual_seed(0)
    model = init_estimator(repo / 'configs/_base_/models/fmmp_r50.py',
                           cfg_options={**OPTIONS, 'model.head.variant': request.param})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def _dots(axes):
    """Pixel positions of the keypoints in a panel."""
    return np.array([line.get_xydata()[0] for line in axes.lines if line.get_marker() == 'o'])


def test_padded_keypoints_are_drawn_where_they_are(episode):
    padding = Padding('uniform', episode.num_keypoints, episode.links, 17)
    figure = padding_figure(episode, [('title', padding)])
    panels = np.array(figure.axes).reshape(2, 2)
    for (raw, padded), points, visible in (
            (panels[0], episode.support_points[:, 0], episode.support_visible[:, 0]),
            (panels[1], episode.query_points, episode.query_visible)):
        np.testing.assert_allclose(_dots(raw), (points * SIZE)[visible], rtol=1e-5)
        more, seen = padding.pad(points, visible)
        assert seen.sum() > visible.sum()
        np.testing.assert_allclose(_dots(padded), (more * SIZE)[seen], rtol=1e-5)
        edges = [line.get_xydata() for line in padded.lines if line.get_marker() != 'o']
        expected = [more[0, edge] * SIZE for edge in padding.edges(seen)[0] if seen[0, edge].all()]
        np.testing.assert_allclose(edges, np.stack(expected), rtol=1e-5)


def test_sampling_is_drawn_where_it_was_read(estimator, episode):
    keypoints = [0, 2]
    figure = sampling_figure(estimator, episode, keypoints)
    head = estimator.head
    with recorded_sampling(head.support_layers[-1]) as support, recorded_sampling(head.query_layers[-1]) as query:
        answer = estimator(episode, mode='predict')
    for (of_support, of_query, estimate), keypoint in zip(np.array(figure.axes).reshape(2, 3), keypoints, strict=True):
        for panel, records in ((of_support, support), (of_query, query)):
            dots, crosses = panel.collections
            references, locations, weights = (
                torch.cat([record[part][0, keypoint].reshape(-1, *shape) for record in records])
                for part, shape in enumerate([(2,), (2,), ()]))
            np.testing.assert_allclose(crosses.get_offsets(), references * SIZE, rtol=1e-5)
            np.testing.assert_allclose(dots.get_offsets(), locations * SIZE, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(dots.get_facecolors()[:, 3], weights / weights.max(), rtol=1e-5)
            # One cross per reference, the keypoint itself first; the weights of each head sum to 1.
            assert len(references) == head.num_references
            assert float(weights.sum()) == pytest.approx(8 if head.variant == 'paper' else 64, rel=1e-4)
        order = answer.extras['orders'][0, 0, keypoint]
        expected = answer.extras['padded_points'][0, 0, order] * SIZE
        np.testing.assert_allclose(of_support.collections[1].get_offsets(), expected, rtol=1e-5)
        np.testing.assert_allclose(_dots(estimate), answer.points[:, keypoint] * SIZE, rtol=1e-5)


def test_a_support_that_does_not_show_the_keypoint_is_bare(estimator, episode):
    figure = sampling_figure(estimator, episode, [1])
    assert not figure.axes[0].collections and figure.axes[0].get_title() == 'support, keypoint 1: not visible'
    assert figure.axes[1].collections
