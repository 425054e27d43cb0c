"""Panels of test episodes: which are drawn, and how a score is shown."""

from types import SimpleNamespace

import numpy as np
import pytest
from coco_files import content, write, write_images

from capekit.datasets import MP100Dataset, TestPlan
from capekit.visualization import draw_episodes, panels


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(categories=((1, 'cup', 3), (2, 'bird/x', 4)), per_category=6)
    return MP100Dataset(write(folder / 'ann.json', data), write_images(folder / 'images', data), image_size=32)


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of `draw_keypoints`, for the predictions."""
    calls = []

    def draw(axes, image, points, visible, links, title, **options):
        if title.startswith('prediction'):
            calls.append(SimpleNamespace(points=points, title=title, **options))
    monkeypatch.setattr(panels, 'draw_keypoints', draw)
    return calls


def test_episodes_that_share_their_support_are_drawn_each(dataset, drawn, tmp_path):
    plan = TestPlan(np.array([[0], [0], [0], [6]]), np.array([[1, 2], [3, 4], [5, 1], [7, 8]]))
    points = np.pad(dataset.keypoints[plan.queries, :, :2], ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    scores = np.tile(np.float32([0.1, 0.2, 0.4, 0.1, np.nan]), (4, 2, 1))
    assert draw_episodes(dataset, plan, points, scores, tmp_path, per_category=2) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ['1_cup.png', '2_bird_x.png']
    assert len(drawn) == 3 and [len(call.points) for call in drawn] == [3, 3, 4]
    shown = dataset.keypoints[0, :3, 2] > 0
    assert f'PCK@0.2 100, score {scores[0, 0, :3][shown].mean():.2f}' in drawn[0].title
    opacity = panels.score_opacity(scores[0, 0, :3], shown)
    np.testing.assert_array_equal(drawn[0].opacity, opacity)
    assert opacity.max() == 1 and opacity[0] < opacity[1] < 1


def test_without_scores(dataset, drawn, tmp_path):
    plan = TestPlan(np.array([[0]]), np.array([[1]]))
    points = dataset.keypoints[plan.queries, :, :2]
    draw_episodes(dataset, plan, points, np.full((1, 1, 4), np.nan), tmp_path)
    assert 'score' not in drawn[0].title and (drawn[0].opacity == 1).all()


def test_opacity():
    shown = np.array([True, True, True, False])
    np.testing.assert_allclose(panels.score_opacity(np.array([0, 0.01, 0.02, 0.9]), shown), [0.25, 0.625, 1, 1])
    np.testing.assert_allclose(panels.score_opacity(np.array([np.nan, 0.5, 1, 1]), shown), [1, 0.625, 1, 1])
    np.testing.assert_allclose(panels.score_opacity(np.array([-1.0, 0, 0, 0]), shown), 1)
