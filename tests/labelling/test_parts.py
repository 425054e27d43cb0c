"""The parts of labelling that need no network."""

import json

import cv2
import numpy as np
import pytest
import torch
from animals import coco, write_animals
from predicted import prediction

from capekit.errors import CapekitError
from capekit.interop.labels import read, write
from capekit.labelling import fitting, output, sources, store, suggest, video
from capekit.labelling.adapted import Budget, rotation_of, targets
from capekit.labelling.boxes import iou
from capekit.labelling.calibration import LEAST, Calibration, rising
from capekit.labelling.crops import cut, to_image
from capekit.labelling.lite import decode
from capekit.labelling.records import Labelled, Support
from capekit.labelling.refine import Hull
from capekit.labelling.supports import read_labelled

NOTHING = np.zeros((4, 4, 3), np.uint8)


def labelled(names=('a', 'b', 'c'), visible=((True, True), (True, False), (True, True))) -> Labelled:
    points = np.array([[2.0, 2.0], [8.0, 4.0]])
    return Labelled('thing', ('x', 'y'), np.zeros((0, 2), np.int64), tuple(
        Support(name, NOTHING, points, np.array(own), np.array([0.0, 0.0, 10.0, 8.0]))
        for name, own in zip(names, visible, strict=True)))


# ---------------------------------------------------------------------------------------------------- reading

def test_labels_of_people_count_and_predictions_do_not(tmp_path):
    path, images, truth = write_animals(tmp_path, count=4, labelled=4)
    content = json.loads(path.read_text())
    for annotation, status in zip(content['annotations'], ('predicted', 'rejected', 'corrected', None), strict=True):
        annotation['review'] = {'status': status} if status else {}
        annotation.pop('bbox')
    content['categories'].append(dict(id=7, name='unused', keypoints=['z'], skeleton=[]))
    path.write_text(json.dumps(content))
    supports = read_labelled(path, images).supports
    assert [support.name for support in supports] == ['2.png', '3.png']
    low = truth['2.png'].min(0)
    assert (supports[0].box[:2] < low).all() and (supports[0].box[:2] > low - 10).all()


def test_a_missing_image_and_two_categories_are_named(tmp_path):
    path, images, truth = write_animals(tmp_path, count=2, labelled=2)
    (images / '1.png').unlink()
    with pytest.raises(CapekitError, match='1.png'):
        read_labelled(path, images)
    content = coco(truth)
    content['categories'].append(dict(id=2, name='other', keypoints=['a', 'b', 'c', 'd'], skeleton=[]))
    content['annotations'][1]['category_id'] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(CapekitError, match="'kite'.*'other'"):
        read_labelled(path, images)


@pytest.mark.parametrize(('form', 'suffix'), [
    ('dlc', '.csv'), ('lp', '.csv'), ('csv', '.csv'), ('cvat-xml', '.xml'), ('cvat', '.json'),
    ('label-studio', '.json'), ('labelme', ''), ('slp', '.slp'), ('dlc-h5', '.h5')])
def test_labels_of_other_tools(tmp_path, form, suffix):
    for library in {'slp': ['h5py'], 'dlc-h5': ['pandas', 'tables']}.get(form, ()):
        pytest.importorskip(library)
    path, images, truth = write_animals(tmp_path, count=3, labelled=2)
    labels = read(path, 'coco')
    other = tmp_path / f'other{suffix}'
    write(other, form, labels)
    stated = {'lp': 'lp', 'dlc-h5': 'dlc-h5'}.get(form)  # the first looks like DeepLabCut's, the second like SLEAP's
    found = read_labelled(other, images, stated)
    assert sorted(found.names) == sorted(labels.keypoints)
    order = [found.names.index(name) for name in labels.keypoints]
    assert [support.name for support in found.supports] == ['0.png', '1.png']
    for support in found.supports:
        np.testing.assert_allclose(support.points[order], truth[support.name], atol=1e-4)


def test_a_folder_of_deeplabcut(tmp_path):
    path, images, truth = write_animals(tmp_path, count=3, labelled=2)
    labels = read(path, 'coco')
    write(images / 'CollectedData_me.csv', 'dlc', labels, scorer='me', folder='labeled-data/film')
    found = read_labelled(images, images)
    assert [support.name for support in found.supports] == ['0.png', '1.png']
    np.testing.assert_allclose(found.supports[1].points, truth['1.png'], atol=1e-4)


def test_what_cannot_be_learned_from_is_named(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    labels = read(path, 'coco')
    labels.images[0].frame = 3
    write(tmp_path / 'frames.csv', 'csv', labels)
    with pytest.raises(CapekitError, match='frame 3 of 0.png is labelled; only images can be learned from'):
        read_labelled(tmp_path / 'frames.csv', images)
    (tmp_path / 'notes.txt').write_text('nothing')
    with pytest.raises(CapekitError, match=r'notes.txt: of no format .* \(--labelled-format\)'):
        read_labelled(tmp_path / 'notes.txt', images)
    with pytest.raises(CapekitError, match='gone.csv'):
        read_labelled(tmp_path / 'gone.csv', images)
    path.write_text('{')
    with pytest.raises(CapekitError, match='labelled.json'):
        read_labelled(path, images)


def test_images_of_folders_and_patterns_are_named_relative_to_them(tmp_path):
    for name in ('a/1.png', 'a/b/2.JPG', 'a/notes.txt', 'c/3.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    assert sources.list_images(tmp_path) == ['a/1.png', 'a/b/2.JPG', 'c/3.png']
    assert sources.list_images(f'{tmp_path}/*/*.png') == ['a/1.png', 'c/3.png']
    assert sources.folder_of(f'{tmp_path}/*/*.png') == tmp_path
    assert sources.list_images(tmp_path / 'a/1.png') == ['1.png']
    broken = next(sources.read_pictures(['a/1.png'], tmp_path))
    assert broken.image is None and 'a/1.png' in broken.fault


def test_frames_of_a_video(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for value in range(7):
        writer.write(np.full((48, 64, 3), 30 * value, np.uint8))
    writer.release()
    frames = list(sources.read_frames(tmp_path / 'a.avi', stride=2))
    assert [frame.frame for frame in frames] == [0, 2, 4, 6] and sources.count_frames(tmp_path / 'a.avi', 2) == 4
    assert [round(frame.image.mean() / 30) for frame in frames] == [0, 2, 4, 6]
    assert [frame.frame for frame in sources.read_frames(tmp_path / 'a.avi', 2, start=4)] == [4, 6]
    (tmp_path / 'b.mp4').write_bytes(b'no video')
    with pytest.raises(CapekitError, match='b.mp4'):
        list(sources.read_frames(tmp_path / 'b.mp4'))


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
    run.start()
    picture = sources.Picture('a.png', None, NOTHING)
    run.append([(picture, [prediction()])])
    with open(tmp_path / 'out' / output.JOURNAL, 'ab') as file:
        file.write(b'[{"image"')
    (group,), = output.RunFolder(tmp_path / 'out', dict(a=1)).groups()
    again, = output.predictions_of(group)
    np.testing.assert_array_equal(again.points, prediction().points)
    assert np.isnan(again.error).all() and group['size'] == [4, 4]
