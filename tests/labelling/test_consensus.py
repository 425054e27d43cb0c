"""Several windows of one animal give one answer."""

import numpy as np
import pytest

from capekit.labelling.consensus import Answer, agree

SEEN = np.array([True, True, False])


def answer(box, x, box_score=0.5, score=0.5, spread=0.08) -> Answer:
    """Three keypoints at (x, x); the last one, which no support shows, is somewhere else and unsure."""
    points = np.array([[x, x], [x, x], [900.0, 900.0]])
    return Answer(np.array(box, float), box_score, points, np.array([score, score, 0.0]),
                  np.array([spread, spread, 9.0]))


def test_windows_of_one_animal_are_averaged_and_others_left_alone():
    """The box is the best window's; a window that does not overlap it by half has no part."""
    near, far = answer((2, 0, 10, 10), 6), answer((4, 0, 10, 10), 50)
    one, = agree([near, answer((0, 0, 10, 10), 4, score=0.51), far], 1, SEEN)
    np.testing.assert_array_equal(one.box, [0, 0, 10, 10])
    assert 4.9 < one.points[0, 0] < 5
    assert 0.5 < one.scores[0] < 0.51
    assert one.box_score == 0.5


@pytest.mark.parametrize('better', [dict(box_score=1.0), dict(score=0.5 * 2 ** 0.5), dict(spread=0.03)])
def test_a_better_window_counts_twice(better):
    """One that looks more like an animal, whose keypoints are surer, or whose views agree more."""
    one, = agree([answer((0, 0, 10, 10), 3), answer((0, 0, 10, 10), 6, **better)], 1, SEEN)
    np.testing.assert_allclose(one.points[:2], 5)


def test_disagreement_between_windows_is_uncertainty():
    alike = [answer((0, 0, 10, 10), 4), answer((0, 0, 10, 10), 4)]
    apart = [answer((0, 0, 10, 10), 3), answer((0, 0, 10, 10), 5)]
    np.testing.assert_allclose(agree(alike, 1, SEEN)[0].spread[:2], 0.08)
    np.testing.assert_allclose(agree(apart, 1, SEEN)[0].spread[:2], np.sqrt(0.08 ** 2 + 2 * 0.1 ** 2))


def test_a_spread_is_in_sides_of_the_box_that_is_returned():
    one, = agree([answer((0, 0, 10, 10), 4, score=0.9), answer((0, 0, 12.5, 12.5), 4, score=0.0)], 1, SEEN)
    np.testing.assert_allclose(one.spread[:2], 0.08)
    both, = agree([answer((0, 0, 10, 10), 4), answer((0, 0, 12.5, 12.5), 4)], 1, SEEN)
    np.testing.assert_allclose(both.spread[:2], 0.08 * np.sqrt((1 + 1.25 ** 2) / 2))


def test_animals_side_by_side_keep_their_own_windows():
    """Each window belongs to the animal that it overlaps most, the best animal comes first."""
    left, right, between = answer((0, 0, 10, 10), 5, score=0.4), answer((6, 0, 10, 10), 11), answer((7, 0, 10, 10), 12,
                                                                                                 score=0.4)
    found = agree([left, right, between], 2, SEEN)
    assert [one.box[0] for one in found] == [6, 0]
    assert 11 < found[0].points[0, 0] < 12 and found[1].points[0, 0] == 5
    assert len(agree([left, right, between], 1, SEEN)) == 1
    assert len(agree([between, right], 2, SEEN)) == 1


def test_nothing_found_and_nothing_sure():
    assert agree([], 1, SEEN) == []
    one, = agree([answer((0, 0, 10, 10), 4, box_score=0.0), answer((0, 0, 10, 10), 6, box_score=0.0)], 1, SEEN)
    np.testing.assert_allclose(one.points[:2], 5)
