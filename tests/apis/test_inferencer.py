"""CapeInferencer: fit, predict, save, load, for the embedded default and for a config."""

import json

import cv2
import numpy as np
import pytest
import torch
from animals import boxes, coco, draw, write_animals

from capekit.apis import CapeInferencer
from capekit.errors import CapekitError

CONFIG = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='module')
def animals(tmp_path_factory):
    return write_animals(tmp_path_factory.mktemp('animals'))


@pytest.fixture(scope='module')
def frozen(animals):
    """An inferencer that matches features, and its report."""
    inferencer = CapeInferencer()
    return inferencer, inferencer.fit(*animals[:2], adapt_seconds=0)


def error(predictions, truth) -> float:
    """Mean distance in pixels."""
    return float(np.mean([np.linalg.norm(p.points - truth[p.image], axis=1).mean() for p in predictions]))


def test_report_has_every_keypoint_with_its_supports_and_interval(frozen):
    report = frozen[1]
    assert (report.model, report.steps, report.supports) == ('frozen', 0, 4)
    assert [k.name for k in report.keypoints] == ['nose', 'left', 'right', 'tail']
    assert all(k.supports == 4 and k.interval[0] <= k.error <= k.interval[1] for k in report.keypoints)
    assert not report.calibrated
    assert 'nose' in str(report) and 'too few' in str(report)


def test_matching_finds_keypoints_in_given_boxes(frozen, animals):
    _, images, truth = animals
    predictions = list(frozen[0].predict(images, boxes(truth)))
    assert [p.image for p in predictions] == sorted(truth)
    assert error(predictions, truth) < 8
    first = predictions[0]
    assert first.points.shape == (4, 2) and first.scores.shape == (4,) and first.frame is None and first.animal == 0
    assert first.box_from == 'given' and np.isnan(first.error).all()


def test_found_boxes_are_better_than_whole_images(frozen, animals):
    _, images, truth = animals
    found, whole = (list(frozen[0].predict(images, how)) for how in (None, 'whole'))
    assert {p.box_from for p in found} == {'found'} and {p.box_from for p in whole} == {'whole'}
    assert error(found, truth) < error(whole, truth)


def test_arrays_and_a_detector(frozen):
    image, points = draw(np.random.default_rng(5))
    asked = []

    def detector(pixels):
        asked.append(pixels.shape)
        return [[*(points.min(0) - 3), *(np.ptp(points, axis=0) + 6)]] * 2
    predictions = list(frozen[0].predict([image], detector))
    assert asked == [image.shape]
    assert [(p.image, p.animal, p.box_from) for p in predictions] == [('0', 0, 'detector'), ('0', 1, 'detector')]
    np.testing.assert_array_equal(predictions[0].points, predictions[1].points)


def test_adapting_is_deterministic_and_is_saved_whole(tmp_path_factory, tmp_path):
    labelled, images, truth = write_animals(tmp_path_factory.mktemp('few'), count=3, labelled=2)
    answers = []
    for _ in range(2):
        inferencer = CapeInferencer()
        report = inferencer.fit(labelled, images, adapt_steps=2)
        assert (report.model, report.steps) == ('adapted', 2)
        answers.append([p.points for p in inferencer.predict(images, boxes(truth))])
    np.testing.assert_array_equal(*answers)
    inferencer.save(tmp_path / 'model.safetensors')
    again = CapeInferencer().load(tmp_path / 'model.safetensors')
    np.testing.assert_array_equal([p.points for p in again.predict(images, boxes(truth))], answers[0])
    np.testing.assert_array_equal([p.points for p in again.predict(images)], [p.points for p in
                                                                             inferencer.predict(images)])
    assert [path.name for path in tmp_path.iterdir()] == ['model.safetensors']


def test_a_config_predicts_the_same_after_loading(animals, tmp_path):
    labelled, images, truth = animals
    inferencer = CapeInferencer(CONFIG)
    report = inferencer.fit(labelled, images, adapt_steps=1)
    assert (report.model, report.steps) == ('CapeFormerHead', 1)
    inferencer.save(tmp_path / 'm')
    points = [p.points for p in inferencer.predict(images, boxes(truth))]
    again = CapeInferencer(CONFIG).load(tmp_path / 'm')
    np.testing.assert_array_equal([p.points for p in again.predict(images, boxes(truth))], points)
    with pytest.raises(CapekitError, match="'CapeFormerHead'"):
        CapeInferencer().load(tmp_path / 'm')


@pytest.mark.parametrize('config', [None, CONFIG])
def test_a_keypoint_hidden_in_one_support_uses_the_others(animals, tmp_path, config):
    """The same as leaving that support out for that keypoint; hidden in all, it is not predicted."""
    _, images, truth = animals
    points = {name: truth[name].copy() for name in list(truth)[:3]}
    points['0.png'][1] = np.nan
    for own in points.values():
        own[3] = np.nan
    answers, inferencer = [], CapeInferencer(config)
    for number, chosen in enumerate((points, dict(list(points.items())[1:]))):
        path = tmp_path / f'{number}.json'
        content = coco(chosen)
        for annotation in content['annotations']:
            name = content['images'][annotation['id'] - 1]['file_name']
            annotation['bbox'] = boxes(truth)[name][0]
        path.write_text(json.dumps(content))
        inferencer.fit(path, images, adapt_seconds=0)
        answers.append(np.stack([p.points for p in inferencer.predict(images, boxes(truth))]))
    assert np.isnan(answers[0][:, 3]).all() and np.isfinite(answers[0][:, :3]).all()
    if config:
        np.testing.assert_allclose(answers[0][:, 1], answers[1][:, 1], atol=1e-3)
    else:
        # The mean that features are compared with is that of all supports.
        assert np.abs(answers[0][:, 1] - answers[1][:, 1]).mean() < 3


def test_calibration_from_corrections(frozen, animals):
    from capekit.labelling.supports import read_labelled
    inferencer = frozen[0]
    before = len(inferencer.predictor.calibration.errors)
    inferencer.calibrate(list(inferencer.predict(animals[1], boxes(animals[2]))), read_labelled(*animals[:2]))
    assert len(inferencer.predictor.calibration.errors) == before + 16


def test_suggestions_are_images_once_with_a_random_share(frozen, animals):
    inferencer = frozen[0]
    predictions = list(inferencer.predict(animals[1], boxes(animals[2])))
    chosen = inferencer.suggest(predictions, 5)
    assert len({s.prediction.image for s in chosen}) == 5
    assert [s.reason for s in chosen].count('random') == 1
    assert [s.prediction.image for s in inferencer.suggest(predictions, 5)] == [s.prediction.image for s in chosen]


def test_a_video_gives_a_prediction_for_every_frame(frozen, tmp_path):
    rng = np.random.default_rng(3)
    writer = cv2.VideoWriter(str(tmp_path / 'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (160, 120))
    for _ in range(5):
        writer.write(draw(rng)[0][..., ::-1])
    writer.release()
    predictions = list(frozen[0].predict_video(tmp_path / 'film.avi', stride=2, boxes='whole'))
    assert [(p.image, p.frame, p.animal) for p in predictions] == [('film.avi', f, 0) for f in (0, 2, 4)]
    smooth = list(frozen[0].predict_video(tmp_path / 'film.avi', boxes='whole', smooth='median:3'))
    assert [p.frame for p in smooth] == [0, 1, 2, 3, 4]


IMAGE = np.zeros((6, 8, 3), np.uint8)


@pytest.mark.parametrize(('images', 'message'), [
    (IMAGE, r'images: one array of shape \(6, 8, 3\); give a list, \[image\]'),
    ([IMAGE, IMAGE[..., 0]], r'images\[1\]: an array of shape \(6, 8\), uint8; expected a path or an array \(H'),
    ([np.zeros((6, 8, 4), np.uint8)], r'images\[0\]: an array of shape \(6, 8, 4\), uint8; expected'),
    ([IMAGE / 255], r'images\[0\]: an array of shape \(6, 8, 3\), float64; expected'),
    ([IMAGE[:0]], r'images\[0\]: an array of shape \(0, 8, 3\), uint8; expected'),
    ([torch.zeros(6, 8, 3)], r'images\[0\]: a Tensor; expected a path or an array \(H, W, 3\) uint8 RGB'),
    ([None], r'images\[0\]: a NoneType; expected'), (5, r'images=5: expected a folder, pattern, path, or a list')])
def test_what_is_no_image_is_one_line(frozen, images, message):
    with pytest.raises(CapekitError, match=message):
        list(frozen[0].predict(images, 'whole'))


def test_arrays_may_be_stacked_and_have_any_strides(frozen):
    image, _ = draw(np.random.default_rng(5))
    listed, stacked, view = (list(frozen[0].predict(images, 'whole'))[0].points for images in (
        [image], image[None], [np.asfortranarray(image)]))
    np.testing.assert_array_equal(listed, stacked)
    np.testing.assert_array_equal(listed, view)


def test_mistakes_are_one_line(frozen, animals, tmp_path):
    labelled, images, _ = animals
    with pytest.raises(CapekitError, match='name its config'):
        CapeInferencer(checkpoint='a.pth')
    with pytest.raises(CapekitError, match='call fit or load first'):
        next(CapeInferencer().predict(images))
    with pytest.raises(CapekitError, match='adapt_seconds=-1'):
        CapeInferencer().fit(labelled, images, adapt_seconds=-1)
    with pytest.raises(CapekitError, match='boxes=.hole.'):
        next(frozen[0].predict(images, 'hole'))
    with pytest.raises(CapekitError, match='0.png: box'):
        next(frozen[0].predict(images, {'0.png': [[0, 0, 0, 4]]}))
    with pytest.raises(CapekitError, match='no images there'):
        next(frozen[0].predict(tmp_path))
    (tmp_path / 'm').write_bytes(b'not a model')
    with pytest.raises(CapekitError, match='damaged'):
        CapeInferencer().load(tmp_path / 'm')
