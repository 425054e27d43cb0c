"""The parts of labelling that need no network."""


import numpy as np
import pytest
import torch
from predicted import prediction

from capekit.errors import CapekitError
from capekit.labelling import fitting, output, sources, store, suggest, video
from capekit.labelling.adapted import Budget, rotation_of, targets
from capekit.labelling.boxes import iou
from capekit.labelling.calibration import LEAST, Calibration, rising
from capekit.labelling.crops import cut, to_image
from capekit.labelling.lite import decode
from capekit.labelling.records import Labelled, Support
from capekit.labelling.refine import Hull

NOTHING = np.zeros((4, 4, 3), np.uint8)


def labelled(names=('a', 'b', 'c'), visible=((True, True), (True, False), (True, True))) -> Labelled:
    points = np.array([[2.0, 2.0], [8.0, 4.0]])
    return Labelled('thing', ('x', 'y'), np.zeros((0, 2), np.int64), tuple(
        Support(name, NOTHING, points, np.array(own), np.array([0.0, 0.0, 10.0, 8.0]))
        for name, own in zip(names, visible, strict=True)))


# ----------------------------------------------------------------------------------------------- geometry, maps

def test_a_point_comes_back_from_its_crop():
    image, box = np.zeros((50, 80, 3), np.uint8), np.array([10.0, 5.0, 30.0, 20.0])
    _, matrix = cut(image, box, 64)
    inside = np.array([[20.0, 15.0]]) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(to_image(inside / 64, matrix, 64), [[20.0, 15.0]], atol=1e-3)


def test_targets_are_decoded_to_the_points_that_made_them():
    points = np.random.default_rng(0).uniform(30, 160, (2, 5, 2))
    found, share = decode(targets(points, 192).unflatten(-1, (24, 24)).log(), 8)
    np.testing.assert_allclose(found.numpy() * 192, points, atol=0.8)
    assert (share > 0.9).all()


def test_a_budget_of_seconds_is_200_steps_a_minute():
    assert Budget.of_seconds(60) == Budget(200, 60)
    assert Budget.of_seconds(60).share(0.5) == Budget(100, 30)
    assert Budget.of_seconds(0.01).steps == 1


@pytest.mark.parametrize('angles, least, most', [((0, 0, 0), 25, 25.1), ((0, 20, -20), 26, 40),
                                                   ((0, 120, 240), 45, 45)])
def test_supports_that_are_turned_are_turned_more_for_training(angles, least, most):
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 9.0]])
    supports = []
    for number, angle in enumerate(np.radians(angles)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        supports.append(Support(str(number), NOTHING, 7 + points @ turn.T, np.ones(3, bool), np.ones(4)))
    found = rotation_of(Labelled('thing', ('a', 'b', 'c'), np.zeros((0, 2), np.int64), tuple(supports)))
    assert least <= found <= most
    assert rotation_of(Labelled('thing', ('a', 'b', 'c'), np.zeros((0, 2), np.int64), tuple(supports[:1]))) == 25


def test_overlap_of_boxes():
    first = np.array([[0, 0, 10, 10], [20, 20, 5, 5]], float)
    np.testing.assert_allclose(iou(first, np.array([[5, 0, 10, 10]], float)), [[1 / 3], [0]])


def test_a_box_is_moved_to_its_keypoints():
    hull = Hull.of(labelled(visible=((True, True),) * 3))
    np.testing.assert_allclose(hull.margins, [2 / 6, 2 / 6, 2 / 6, 4 / 6])
    points = np.array([[22.0, 22.0], [28.0, 24.0], [90.0, 90.0]])
    box = hull.refine(np.array([20.0, 20.0, 10.0, 8.0]), points, np.array([0.9, 0.9, 0.1]))
    np.testing.assert_allclose(box, [20, 20, 10, 8])
    np.testing.assert_array_equal(hull.refine(box, points[[0, 0]], np.ones(2)), box)


# ------------------------------------------------------------------------------------------------------- errors

def test_supports_of_one_image_are_left_out_together():
    assert fitting.groups(labelled()) == [[0], [1], [2]]
    assert fitting.groups(labelled(('a', 'b', 'a'))) == [[0, 2], [1]]
    assert fitting.groups(labelled(('a', 'a', 'a'))) == []
    many = labelled(tuple('abcdefg'), ((True, True),) * 7)
    assert fitting.groups(many) == [[0, 5], [1, 6], [2], [3], [4]]


def test_left_out_supports_are_answered_by_the_others():
    class Model:
        size = 32

        def set_support(self, given, progress):
            self.seen = {support.name for support in given.supports}
            progress(1.0)

        def answer(self, crops):
            assert len(self.seen) == 2
            return np.full((len(crops), 2, 2), 0.5), np.ones((len(crops), 2))
    shares = []
    spreads, errors = fitting.leave_out(Model, labelled(), 4, shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    np.testing.assert_array_equal(np.isnan(errors), [[False, False], [False, True], [False, False]])
    assert (np.isnan(spreads) == np.isnan(errors)).all()
    reports = fitting.report_keypoints(labelled(), errors)
    assert [report.supports for report in reports] == [3, 2]
    assert all(report.interval[0] <= report.error <= report.interval[1] for report in reports)


def test_expected_errors_rise_with_disagreement_and_need_enough_points():
    np.testing.assert_allclose(rising(np.array([1.0, 3.0, 2.0, 4.0])), [1, 2.5, 2.5, 4])
    calibration = Calibration()
    rng = np.random.default_rng(0)
    spreads = rng.uniform(0, 0.2, LEAST)
    calibration.add(spreads[1:], 2 * spreads[1:])
    calibration.add(np.array([np.nan]), np.array([0.1]))
    assert not calibration.calibrated and np.isnan(calibration.expect(spreads)).all()
    calibration.add(spreads[:1], 2 * spreads[:1])
    assert calibration.calibrated
    np.testing.assert_allclose(calibration.expect(spreads), 2 * spreads, atol=1e-9)


# -------------------------------------------------------------------------------------------------- suggestions

def test_suggestions_differ_from_each_other():
    poses = [((1, 1), (2, 2))] * 5 + [((1, 9), (9, 1))]
    predictions = [prediction(f'{i}.png', points=pose, spread=(0.1 + 0.01 * (5 - i),) * 2)
                   for i, pose in enumerate(poses)]
    chosen = suggest.suggest(predictions, 2, lambda p: None, seed=3)
    assert [s.reason for s in chosen] == ['uncertain', 'uncertain']
    assert [s.prediction.image for s in chosen] == ['0.png', '5.png']
    with pytest.raises(CapekitError, match='n=0'):
        suggest.suggest(predictions, 0, lambda p: None)


# -------------------------------------------------------------------------------------------------------- video

def test_animals_keep_their_numbers():
    left, right = (0, 0, 10, 10), (50, 0, 10, 10)
    frames = [[prediction(frame=0, animal=0, box=left), prediction(frame=0, animal=1, box=right)],
              [prediction(frame=1, animal=0, box=right), prediction(frame=1, animal=1, box=left)],
              [],
              [prediction(frame=3, animal=0, box=(51, 1, 10, 10))]]
    followed = list(video.follow(frames))
    assert [[p.animal for p in frame] for frame in followed] == [[0, 1], [0, 1], [], [1]]
    assert followed[1][0].box[0] == 0


def test_smoothing_keeps_the_raw_points_and_jumps_are_flagged():
    track = [prediction(frame=t, points=((5 + t, 5), (2, 2))) for t in range(7)]
    track[3].points[0] = 60, 60
    smooth = video.smoothed(track, 3)
    assert track[3].points[0, 0] == 60 and smooth[3].points[0, 0] < 12
    assert [p.frame for p in smooth] == list(range(7))
    video.flag_jumps(track)
    assert track[3].reasons == ['jump of 1 keypoint'] and not any(p.reasons for p in track[:3] + track[4:])


@pytest.mark.parametrize('text', ['mean:5', 'median', 'median:4', 'median:1', 'median:x'])
def test_smoothing_has_one_form(text):
    with pytest.raises(CapekitError, match='median:N'):
        video.parse_smooth(text)


# ------------------------------------------------------------------------------------------------------- files

def test_a_saved_model_is_the_same_bytes_every_time(tmp_path):
    for name in 'ab':
        store.write_model(tmp_path / name, dict(x=torch.arange(3.0), y=torch.ones(2, 2)), dict(b=1, a=[2]))
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
    tensors, settings = store.read_model(tmp_path / 'a')
    assert settings == dict(a=[2], b=1) and tensors['x'].tolist() == [0, 1, 2]


def test_a_journal_that_was_cut_off_loses_its_last_line_only(tmp_path):
    run = output.RunFolder(tmp_path / 'out', dict(a=1))
    assert not (tmp_path / 'out').exists()
    run.open()
    run.start()
    picture = sources.Picture('a.png', None, NOTHING)
    run.append([(picture, [prediction()])])
    with open(tmp_path / 'out' / output.JOURNAL, 'ab') as file:
        file.write(b'[{"image"')
    group, = output.RunFolder(tmp_path / 'out', dict(a=1)).records()
    again, = output.predictions_of(group)
    np.testing.assert_array_equal(again.points, prediction().points)
    assert np.isnan(again.error).all() and group['size'] == [4, 4]
