"""From pictures and boxes to predictions, with a model that answers the middle of every crop."""

import numpy as np
import pytest

from capekit.errors import CapekitError
from capekit.labelling.calibration import Calibration
from capekit.labelling.poses import Poses
from capekit.labelling.predictor import Predictor
from capekit.labelling.refine import Hull
from capekit.labelling.sources import Picture

IMAGE = np.zeros((40, 60, 3), np.uint8)
SHOWN = np.array([[[3.0, 3.0], [np.nan, np.nan]]])
WINDOWS = [((0, 0, 20, 20), 0.6), ((4, 0, 20, 20), 0.6), ((40, 20, 20, 20), 0.4)]


class Middle:
    size = 32

    def answer(self, crops):
        return np.full((len(crops), 2, 2), 0.5), np.full((len(crops), 2), 0.8)


class Finder:
    def find(self, image, count):
        return [(np.array(box, float), score) for box, score in WINDOWS]


def predict(boxes, animals=1):
    predictor = Predictor(Middle(), Finder(), Hull(np.zeros(4)), Calibration(), Poses(SHOWN), 4)
    (_, predictions), = next(predictor.predict([Picture('a.png', None, IMAGE)], boxes, animals))
    return predictions


def test_windows_of_one_animal_answer_together():
    one, other = predict(None, animals=2)
    np.testing.assert_allclose(one.points[0], [12, 10], atol=1e-3)
    np.testing.assert_allclose(other.points[0], [50, 30], atol=1e-3)
    np.testing.assert_array_equal(one.box, WINDOWS[0][0])
    assert (one.box_from, one.box_score, other.box_score) == ('found', 0.6, 0.4)
    assert one.spread[0] > other.spread[0] + 0.02
    assert np.isnan(one.points[1]).all() and np.isnan(one.spread[1]) and one.scores.tolist() == [0.8, 0.0]


@pytest.mark.parametrize(('boxes', 'source', 'middle'), [
    ('whole', 'whole', (30, 20)), ({'a.png': [[4, 4, 8, 12]]}, 'given', (8, 10)),
    (lambda image: [[0, 0, 10, 10]], 'detector', (5, 5))])
def test_a_box_that_is_not_found_is_answered_alone(boxes, source, middle):
    one, = predict(boxes)
    np.testing.assert_allclose(one.points[0], middle, atol=1e-3)
    assert (one.box_from, one.box_score) == (source, 1.0)


def test_a_picture_without_given_boxes_and_a_broken_one_have_no_predictions():
    assert predict({}) == []
    predictor = Predictor(Middle(), Finder(), Hull(np.zeros(4)), Calibration(), Poses(SHOWN), 4)
    for boxes in (None, 'whole'):
        (_, own), = next(predictor.predict([Picture('a.png', None, None, 'broken')], boxes, 1))
        assert own == []


def test_without_a_finder_boxes_are_asked_for():
    predictor = Predictor(Middle(), None, Hull(np.zeros(4)), Calibration(), Poses(SHOWN), 4)
    with pytest.raises(CapekitError, match="'whole'"):
        next(predictor.predict([Picture('a.png', None, IMAGE)], None, 1))


@pytest.mark.parametrize(('animals', 'windows'), [(1, 8), (3, 16)])
def test_several_windows_are_asked_for_each_animal(animals, windows):
    asked = []

    class Asked(Finder):
        def find(self, image, count):
            asked.append(count)
            return super().find(image, count)
    predictor = Predictor(Middle(), Asked(), Hull(np.zeros(4)), Calibration(), Poses(SHOWN), 4)
    next(predictor.predict([Picture('a.png', None, IMAGE)], None, animals))
    assert asked == [windows]


@pytest.mark.parametrize(('own', 'message'), [
    ([['a', 'b', 'c', 'd']], "box ['a', 'b', 'c', 'd']; expected [x, y, width, height]"),
    ([[1, 2, 3]], 'box [1, 2, 3]; expected'), ([[1, 2, None, 4]], 'box [1, 2, None, 4]; expected'),
    ([[1, 2, 3, 10 ** 400]], 'box [1, 2, 3, 1000'), ([[[1, 2], [3, 4]]], 'box [[1, 2], [3, 4]]; expected'),
    ([[1, [2], 3, 4]], 'box [1, [2], 3, 4]; expected'), ([{'x': 1}], "box {'x': 1}; expected"),
    ([[1, 2, 3, 4j]], 'box [1, 2, 3, 4j]; expected'), ([1, 2, 3, 4], 'box 1; expected'),
    ([[1, 2, 3, float('inf')]], 'box [1, 2, 3, inf]; expected'), ('find', "box 'f'; expected"),
    (None, 'boxes None; expected [[x, y, width, height], ...]'), (7, 'boxes 7; expected')])
@pytest.mark.parametrize('call', [False, True], ids=['dict', 'detector'])
def test_what_is_no_box_is_one_line(own, message, call):
    with pytest.raises(CapekitError) as caught:
        predict((lambda image: own) if call else {'a.png': own})
    assert str(caught.value).startswith(f'a.png: {message}')
