"""What comes first in the review list, and why."""

import numpy as np
import pytest
from predicted import prediction

from capekit.labelling import review

NOWHERE = dict(points=((1, 1), (np.nan,) * 2), misfit=(0.1, np.nan))
"""The second keypoint is not predicted."""


def test_keypoints_are_ranked_within_themselves():
    """One keypoint is always hard; the animal that is unusual in the easy one is the worst."""
    predictions = [prediction(f'{i}.png', spread=(0.5 + 0.001 * (i == 1), 0.3 if i == 1 else 0.01 * i))
                   for i in range(4)]
    ranked = review.rank_worst_first(predictions)
    assert [p.rank for p in ranked] == [1, 2, 3, 4] and ranked[0].image == '1.png'
    rows = review.review_rows(ranked, ['x', 'y'])
    assert rows[0] == list(review.COLUMNS) and rows[1][:2] == [1, '1.png'] and rows[1][5] == ''


def test_each_signal_puts_an_animal_first_and_is_its_reason():
    for reason, sign in (('crops disagree', dict(spread=(0.9, 0.9))), ('low confidence', dict(scores=(0.1, 0.1))),
                         ('unlike the labelled poses', dict(misfit=(0.9, 0.9)))):
        odd = prediction('odd.png', **sign)
        ranked = review.rank_worst_first([*(prediction(f'{i}.png') for i in range(14)), odd])
        assert ranked[0] is odd and odd.reasons == [reason]


def test_signals_that_agree_outweigh_one_alone():
    both = prediction('both.png', spread=(0.3, 0.3), scores=(0.2, 0.2), misfit=(0.3, 0.3))
    one = prediction('one.png', spread=(0.9, 0.9), scores=(0.6, 0.6), misfit=(0.1, 0.1))
    assert review.rank_worst_first([*(prediction(f'{i}.png') for i in range(4)), one, both])[0] is both


def test_flags_come_first_and_unseen_keypoints_do_not_matter():
    flagged = prediction('b.png', reasons=['jump of 1 keypoint'], spread=(0.0, np.nan), **NOWHERE)
    unsure = prediction('c.png', spread=(0.3, np.nan), box_from='found', box_score=0.1, **NOWHERE)
    ranked = review.rank_worst_first([prediction(spread=(0.1, np.nan), **NOWHERE), unsure, flagged])
    assert [p.image for p in ranked] == ['b.png', 'c.png', 'a.png']
    assert 'box found with low confidence' in unsure.reasons
    assert review.rank_worst_first([]) == []
    assert np.isnan(review.uncertainty(ranked)[:, 1]).all()


def test_too_few_keypoints_for_a_pose_leave_the_other_signals():
    predictions = [prediction(f'{i}.png', spread=(0.1 * i, 0.1), misfit=(np.nan, np.nan)) for i in range(3)]
    assert [p.image for p in review.rank_worst_first(predictions)] == ['2.png', '1.png', '0.png']


def test_a_long_video_is_ranked_without_comparing_all_with_all():
    """All frames against all would be 12 GB."""
    values = np.random.default_rng(0).random((20000, 30))
    ranks = review.ranks_within(values)
    np.testing.assert_allclose(np.sort(ranks[:, 3]), np.arange(20000) / 20000)
    assert (np.argsort(ranks[:, 3]) == np.argsort(values[:, 3])).all()


@pytest.mark.parametrize('count', range(2, 13))
def test_of_few_animals_the_worst_has_a_reason(count):
    ranked = review.rank_worst_first([prediction(f'{i}.png', spread=(0.1 * i, 0.1 * i)) for i in range(count)])
    reasons = [p.reasons for p in ranked]
    assert reasons[0] == ['crops disagree'] and (count > 10 or reasons[1:] == [[]] * (count - 1))


def test_animals_that_are_all_alike_have_no_reason():
    assert not any(p.reasons for p in review.rank_worst_first([prediction(f'{i}.png') for i in range(5)]))
