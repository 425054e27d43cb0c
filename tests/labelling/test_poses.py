"""How far predicted keypoints are from where labelled poses have them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capekit.labelling.poses import Poses

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10], [5, 3]])


def changed(points, factor=1.0, degrees=0.0, shift=(0.0, 0.0)):
    turn = factor * np.exp(1j * np.radians(degrees))
    moved = (points @ (1, 1j)) * turn + complex(*shift)
    return np.stack((moved.real, moved.imag), -1)


@given(st.floats(0.2, 5), st.floats(-180, 180), st.floats(-100, 100))
def test_a_moved_turned_and_scaled_pose_fits(factor, degrees, shift):
    misfit = Poses(SQUARE[None]).misfit(changed(SQUARE, factor, degrees, (shift, -shift)), 10 * factor)
    np.testing.assert_allclose(misfit, 0, atol=1e-9)


def test_the_keypoint_that_is_off_is_the_one_that_does_not_fit():
    points = changed(SQUARE, 2, 70)
    points[1] += 8, -6
    misfit = Poses(SQUARE[None]).misfit(points, 20)
    assert misfit[1] == pytest.approx(0.5, abs=0.1) and (np.delete(misfit, 1) < 0.1).all()


def test_each_keypoint_is_explained_by_the_pose_that_suits_it():
    bent = SQUARE.copy()
    bent[1] += 4, 4
    np.testing.assert_allclose(Poses(np.stack((SQUARE, bent))).misfit(bent, 10), 0, atol=1e-9)
    assert Poses(SQUARE[None]).misfit(bent, 10)[1] > 0.3


def test_what_no_pose_shares_is_not_known():
    poses = np.stack((SQUARE, SQUARE + 1))
    poses[:, 4] = np.nan
    poses[1, 1:] = np.nan
    points = SQUARE.copy()
    points[0] = np.nan
    one = Poses(poses)
    assert one.seen.tolist() == [True] * 4 + [False]
    assert np.isnan(one.misfit(points, 10)).tolist() == [True, False, False, False, True]
    assert np.isnan(one.misfit(np.where(np.arange(5)[:, None] > 2, points, np.nan), 10)).all()


def test_a_pose_of_one_place_is_no_division_by_zero():
    with np.errstate(all='raise'):
        misfit = Poses(np.ones((1, 4, 2))).misfit(SQUARE[:4], 10)
    assert np.isfinite(misfit).all()
