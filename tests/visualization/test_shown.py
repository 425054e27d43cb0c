"""Which test episodes are drawn, and what is said about them."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from coco_files import content, write, write_images

from capekit.datasets import MP100Dataset, TestPlan
from capekit.evaluation import score_rows
from capekit.evaluation.scores import row_scores
from capekit.visualization import Gallery, draw_episodes, panels, shown


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(categories=((1, 'cup', 3), (2, 'bird/x', 4)), per_category=6)
    return MP100Dataset(write(folder / 'ann.json', data), write_images(folder / 'images', data), image_size=32)


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn of predictions: points, title, opacity, arrows."""
    calls = []

    def draw(axes, image, points, visible, links, title, **options):
        if title.startswith('prediction'):
            calls.append(SimpleNamespace(points=points, title=title, **options))

    def arrows(axes, points, labels, scored):
        calls[-1].lengths = np.linalg.norm(points - labels, axis=1)[scored]
    monkeypatch.setattr(shown, 'draw_keypoints', draw)
    monkeypatch.setattr(shown, 'draw_errors', arrows)
    return calls


def _off_by(dataset, plan, pixels):
    """Predictions that miss the labels by (E, Q) pixels."""
    points = np.pad(dataset.keypoints[plan.queries, :, :2], ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    return points + np.stack((pixels, np.zeros_like(pixels)), -1)[:, :, None]


def test_of_every_category_four_are_drawn(dataset, drawn, tmp_path):
    plan = TestPlan(np.array([[0], [0], [0], [6]]), np.array([[1, 2], [3, 4], [5, 1], [7, 8]]))
    points = _off_by(dataset, plan, np.array([[3.0, 1], [9, 2], [4, 5], [0, 6]]))
    scores = np.tile(np.float32([0.1, 0.2, 0.4, 0.1, np.nan]), (4, 2, 1))
    gallery = Gallery(tmp_path / 'show', 'a <title>')
    assert draw_episodes(dataset, plan, points, scores, gallery) == len(gallery) == 6
    kinds = ['worst', 'best', 'median', 'random']
    assert [item['file'] for item in gallery._items] == [*(f'1_cup_{kind}.png' for kind in kinds),
                                                         '2_bird_x_worst.png', '2_bird_x_best.png']
    measured = row_scores(dataset, plan.rows, points.reshape(8, -1, 2), (0.2,))
    assert [item['episode'] for item in gallery._items[:2]] == [
        f'{row // 2}, query {row % 2}' for row in (measured.nme[:6].argmax(), measured.nme[:6].argmin())]
    for item, call in zip(gallery._items, drawn, strict=True):
        episode, query = map(int, re.findall(r'\d+', item['episode']))
        alone = score_rows(dataset, [[*plan.supports[episode], plan.queries[episode, query]]],
                           points[None, episode, query], (0.2,))
        assert item['error'] == pytest.approx(alone['NME']) and item['pck'] == pytest.approx(alone['PCK@0.2'])
        assert call.lengths.mean() * 1.25 / 32 == pytest.approx(item['error'], rel=1e-4, abs=1e-6)
    visible = dataset.keypoints[0, :3, 2] > 0
    assert f', score {scores[0, 0, :3][visible].mean():.2f}' in drawn[0].title
    np.testing.assert_array_equal(drawn[0].opacity, panels.score_opacity(scores[0, 0, :3], visible))


def test_without_scores(dataset, drawn, tmp_path):
    plan = TestPlan(np.array([[0]]), np.array([[1]]))
    draw_episodes(dataset, plan, _off_by(dataset, plan, np.ones((1, 1))), np.full((1, 1, 4), np.nan),
                  Gallery(tmp_path, ''))
    assert 'score' not in drawn[0].title and (drawn[0].opacity == 1).all()


def test_rows_that_score_nothing_are_not_drawn():
    measured = SimpleNamespace(nme=np.array([0, 0.5, 0.1, 0.3, np.nan]), scored=np.array([0, 3, 3, 3, 0]))
    assert shown.chosen_rows(measured, np.array([1, 1, 1, 1, 2])) == {1: 'worst', 2: 'best', 3: 'median'}
