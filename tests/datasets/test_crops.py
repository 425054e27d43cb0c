"""Crops: byte for byte equal to recorded ones, points back and forth through the matrix, damaged images."""

import cv2
import numpy as np
import pytest
from coco_files import content, write, write_images
from hypothesis import given
from hypothesis import strategies as st

from capekit.datasets import EpisodeKey, MP100Dataset, crops
from capekit.errors import CapekitError

boxes = st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(2, 600), st.floats(2, 600))


@pytest.fixture(scope='module')
def recorded(shared):
    return dict(np.load(shared / 'reference/protocol/crops_realpose_train.npz'))


def test_recorded_crops(shared, recorded):
    for n in range(int(recorded['count'])):
        image = crops.read_image(str(shared / 'data/realpose/images' / str(recorded[f'{n}/file'])))
        center, side = crops.box_to_square(recorded[f'{n}/bbox'])
        assert np.array_equal(center, recorded[f'{n}/center'])
        assert np.float32(side) == recorded[f'{n}/scale_px'][0]
        matrix = crops.crop_matrix(center, side, 0.0, 256)
        assert np.array_equal(crops.warp(image, matrix, 256), recorded[f'{n}/crop'])
        visible = recorded[f'{n}/visible']
        points = crops.transform_points(recorded[f'{n}/points_image'], matrix)
        assert np.abs(points - recorded[f'{n}/points_crop'])[visible].max() < 1e-3


def test_recorded_crops_through_the_data_set(shared, recorded):
    folder = shared / 'data/realpose'
    dataset = MP100Dataset('annotations/realpose_train.json', 'images', data_root=folder)
    instances = [dataset.instance(i) for i in range(len(dataset))]
    for n in range(int(recorded['count'])):
        i = next(i for i, instance in enumerate(instances) if instance['image_file'] == recorded[f'{n}/file']
                 and np.allclose(instance['bbox'], recorded[f'{n}/bbox'], atol=1e-9))
        crop = dataset.crop(i)
        assert np.array_equal(crop.image, recorded[f'{n}/crop'])
        count = len(crop.points)
        assert np.array_equal(crop.visible, recorded[f'{n}/visible'][:count])
        # Invisible keypoints keep their image values, as recorded.
        assert np.abs(crop.points * 256 - recorded[f'{n}/points_crop'][:count]).max() < 1e-3
        back = crops.transform_points(crop.points[crop.visible] * 256, crop.crop_to_image)
        assert np.abs(back - instances[i]['keypoints'][crop.visible, :2]).max() < 1e-2


@given(boxes, st.floats(-30, 30), st.sampled_from([64, 224, 256]))
def test_round_trip(box, angle, size):
    center, side = crops.box_to_square(np.array(box))
    matrix = crops.crop_matrix(center, side, angle, size)
    points = np.array(box[:2]) + np.random.default_rng(0).random((5, 2)) * np.array(box[2:])
    there = crops.transform_points(points, matrix)
    assert np.allclose(crops.transform_points(there, crops.invert(matrix)), points, atol=1e-3)
    assert np.allclose(crops.transform_points(center, matrix), size / 2, atol=1e-2)


@given(boxes)
def test_box_fills_the_crop_less_its_margin(box):
    center, side = crops.box_to_square(np.array(box))
    assert side == pytest.approx(1.25 * max(box[2:]), rel=1e-6)
    matrix = crops.crop_matrix(center, side, 0.0, 256)
    corners = crops.transform_points(np.array([box[:2], np.add(box[:2], box[2:])]), matrix)
    assert corners.min() > 25.6 - 0.1 and corners.max() < 256 - 25.6 + 0.1


def test_rotation_turns_around_the_centre():
    matrix = crops.crop_matrix(np.float32([100, 100]), 256.0, 90.0, 256)
    # After a rotation by 90 degrees the square's upper edge is the former right edge.
    assert np.allclose(crops.transform_points([[228, 100]], matrix), [[128, 0]], atol=1e-3)
    assert np.allclose(crops.transform_points([[100, 228]], matrix), [[256, 128]], atol=1e-3)


def test_zeros_outside_the_image():
    image = np.full((20, 20, 3), 200, np.uint8)
    center, side = crops.box_to_square(np.array([0, 0, 19, 19]))
    crop = crops.warp(image, crops.crop_matrix(center, side, 0.0, 64), 64)
    assert (crop[0] == 0).all() and (crop[32, 32] == 200).all()


def test_augmented_crop_moves_points_with_the_image(tmp_path):
    data = content(per_category=2)
    data['annotations'][0]['keypoints'] = [30.0, 30.0, 2, 0.0, 0.0, 0, 40.0, 20.0, 1]
    dataset = MP100Dataset(write(tmp_path / 'a.json', data), write_images(tmp_path / 'images', data), augment={})
    plain, turned = dataset.crop(0), dataset.crop(0, np.random.default_rng(1))
    assert not np.array_equal(plain.image, turned.image)
    for crop in (plain, turned):
        back = crops.transform_points(crop.points[crop.visible] * 256, crop.crop_to_image)
        assert np.allclose(back, [[30, 30], [40, 20]], atol=1e-3)
        assert (crop.points[1] == 0).all() and not crop.visible[1]
    assert np.array_equal(turned.image, dataset.crop(0, np.random.default_rng(1)).image)
    # No augmentation configured: a generator changes nothing. No seed: a configured augmentation is not used.
    unaugmented = MP100Dataset(tmp_path / 'a.json', tmp_path / 'images')
    assert np.array_equal(unaugmented.crop(0, np.random.default_rng(1)).image, plain.image)
    assert np.array_equal(dataset[EpisodeKey((1, 0))].query_images[0].numpy().transpose(1, 2, 0), plain.image)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_pixels_are_those_of_opencv(tmp_path, suffix):
    path = str(tmp_path / f'image{suffix}')
    cv2.imwrite(path, np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8))
    assert np.array_equal(crops.read_image(path), cv2.imread(path)[:, :, ::-1])


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('kept', [0.05, 0.5, 0.9, 0.999])
def test_truncated_images(tmp_path, suffix, kept):
    path = tmp_path / f'image{suffix}'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * kept)])
    with pytest.raises(CapekitError, match=f'image{suffix}.*damaged'):
        crops.read_image(str(path))


@pytest.mark.parametrize('data', [b'', b'no image at all', b'\xff\xd8\xff\xd9'])
def test_no_image(tmp_path, data):
    path = tmp_path / 'text.jpg'
    path.write_bytes(data)
    with pytest.raises(CapekitError, match='text.jpg'):
        crops.read_image(str(path))


def test_missing_image(tmp_path):
    with pytest.raises(CapekitError, match='gone.jpg'):
        crops.read_image(str(tmp_path / 'gone.jpg'))


def test_bytes_behind_the_image_do_no_harm(tmp_path):
    path = tmp_path / 'image.jpg'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8))
    before = crops.read_image(str(path))
    path.write_bytes(path.read_bytes() + b'written by some camera' * 10)
    assert np.array_equal(crops.read_image(str(path)), before)


@pytest.mark.parametrize('reduction', [2, 4, 8])
def test_a_point_of_a_reduced_image_lands_where_it_does_from_the_whole(reduction):
    matrix = crops.crop_matrix(np.array([300.0, 200.0]), 400.0, 25.0, 64)
    centre = (reduction - 1) / 2  # of the first reduced pixel
    points = np.array([[0.0, 0.0], [7.0, 3.0]])
    there = crops.transform_points(points, crops.on_reduced(matrix, reduction))
    np.testing.assert_allclose(there, crops.transform_points(points * reduction + centre, matrix))


def _smooth(path, width, height):
    y, x = np.mgrid[:height, :width]
    image = np.stack((255 * x / width, 255 * y / height, 127 + 120 * np.sin(x / 40) * np.sin(y / 40)), -1)
    assert cv2.imwrite(str(path), image.astype(np.uint8))


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
def test_reduced_decoding_gives_almost_the_same_crop(tmp_path, monkeypatch, name):
    data = content(categories=((1, 'cup', 3),), per_category=1)
    data['images'][0].update(file_name=name, width=403, height=301)
    data['annotations'][0].update(bbox=[10, 10, 300, 250])
    _smooth(tmp_path / name, 403, 301)
    sizes = []
    warp = crops.warp
    monkeypatch.setattr(crops, 'warp', lambda image, *args: sizes.append(image.shape[1]) or warp(image, *args))
    file = write(tmp_path / 'ann.json', data)
    exact, reduced, large = (
        MP100Dataset(file, tmp_path, image_size=size, jpeg_pixels=pixels).crop(0)
        for size, pixels in ((64, 'all'), (64, 'reduced'), (256, 'reduced')))
    # The square has 375 pixels: a quarter of them is more than 64. PNGs are decoded whole.
    assert sizes == [403, -(-403 // 4) if name == 'a.jpg' else 403, 403]
    np.testing.assert_array_equal(exact.points, reduced.points)
    inside = slice(8, -8)  # the squares' edges lie outside the image, where reduced pixels are wider
    assert np.abs(exact.image.astype(int) - reduced.image)[inside, inside].mean() < 3
    assert large.image.shape == (256, 256, 3)


def test_an_image_with_several_instances_is_decoded_once(tmp_path, monkeypatch):
    data = content(categories=((1, 'cup', 3),), per_category=4)
    for annotation in data['annotations'][:3]:
        annotation['image_id'] = data['images'][0]['id']
    file, images = write(tmp_path / 'ann.json', data), write_images(tmp_path, data)
    dataset, read = MP100Dataset(file, images, image_size=32), []
    decode = crops.read_image
    monkeypatch.setattr(crops, 'read_image', lambda path, *args: read.append(path) or decode(path, *args))
    order = np.argsort(dataset.image_numbers, kind='stable')
    kept = [dataset.crop(i) for i in order]
    assert len(read) == 2 and dataset.image_numbers.tolist() == [0, 0, 0, 1]
    for i, crop in zip(order, kept, strict=True):
        np.testing.assert_array_equal(crop.image, MP100Dataset(file, images, image_size=32).crop(i).image)
