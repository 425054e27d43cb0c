"""Who is who in the frames of a video."""

from hypothesis import given
from hypothesis import strategies as st
from predicted import prediction

from capekit.labelling import video


def followed(places):
    """The (place, number) of the animals of each frame; an animal's box is 10 x 10 at its place."""
    frames = [[prediction(frame=frame, animal=i, box=(x, 0, 10, 10)) for i, x in enumerate(row)]
              for frame, row in enumerate(places)]
    return [sorted((p.box[0], p.animal) for p in frame) for frame in video.follow(frames)]


def test_one_of_two_that_is_found_alone_far_away_does_not_take_the_number_of_the_other():
    frames = followed([[0, 100], [1, 101], [140], [2, 141], [3, 142]])
    assert [frame[0] for frame in frames if frame[0][0] < 100] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert frames[2:] == [[(140, 2)], [(2, 0), (141, 2)], [(3, 0), (142, 2)]]


def test_the_only_animal_keeps_its_number_wherever_it_is():
    assert followed([[0], [100], [], [300], [0]]) == [[(0, 0)], [(100, 0)], [], [(300, 0)], [(0, 0)]]


@given(st.lists(st.lists(st.integers(0, 40).map(lambda place: 5 * place), max_size=4), max_size=6))
def test_no_two_animals_of_a_frame_have_one_number_and_numbers_go_up_from_0(places):
    numbers = [[number for _, number in frame] for frame in followed(places)]
    assert all(len(set(own)) == len(own) for own in numbers)
    seen = {number for own in numbers for number in own}
    assert seen == set(range(len(seen)))
