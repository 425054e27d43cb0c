"""Panels: how a score is shown, where errors point."""

import numpy as np

from capekit.visualization.panels import draw_errors, make_panels, number_keypoints, score_opacity


def test_opacity():
    shown = np.array([True, True, True, False])
    np.testing.assert_allclose(score_opacity(np.array([0, 0.01, 0.02, 0.9]), shown), [0.25, 0.625, 1, 1])
    np.testing.assert_allclose(score_opacity(np.array([np.nan, 0.5, 1, 1]), shown), [1, 0.625, 1, 1])
    np.testing.assert_allclose(score_opacity(np.array([-1.0, 0, 0, 0]), shown), 1)


def test_an_error_points_from_the_prediction_to_the_label():
    _, ((axes,),) = make_panels(1, 1)
    points, labels = np.array([[1.0, 2], [3, 4], [np.nan, 0]]), np.array([[5.0, 6], [7, 8], [9, 9]])
    draw_errors(axes, points, labels, np.array([True, False, True]))
    (arrow,) = axes.texts
    assert (arrow.xy == labels[0]).all() and (arrow.xyann == points[0]).all()


def test_numbers_of_visible_keypoints():
    _, ((axes,),) = make_panels(1, 1)
    number_keypoints(axes, np.array([[1.0, 2], [3, 4]]), np.array([False, True]))
    assert [(text.get_text(), *text.xy) for text in axes.texts] == [('1', 3, 4)]
