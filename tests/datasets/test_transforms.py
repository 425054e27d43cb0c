"""Augmentations: the released one draws what it always drew, colours follow the geometry, wrong settings are named."""

import math

import numpy as np
import pytest
import torch
from coco_files import content, write, write_images

from capekit.datasets import ColorJitter, Geometry, MP100Dataset, RandomErasing, ScaleRotation, Transform, crops
from capekit.datasets.transforms import Augmentation
from capekit.errors import CapekitError


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(per_category=2)
    data['annotations'][0]['keypoints'] = [30.0, 30.0, 2, 0.0, 0.0, 0, 40.0, 20.0, 1]
    return write(folder / 'a.json', data), write_images(folder / 'images', data)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def test_draws_are_the_released_ones():
    """Numbers from the first implementation, which drew a side, an angle and whether to rotate."""
    rng = np.random.default_rng([7, 3])
    drawn = [ScaleRotation().geometry(rng) for _ in range(3)]
    drawn += [ScaleRotation(0.3, 40, 0.9).geometry(rng) for _ in range(2)]
    assert [(change.scale, change.rotation) for change in drawn] == [
        (0.85, 0.9581266753541136), (0.85, 0.0), (0.85, 0.0), (0.7, -39.58848358814425), (1.2256947805913825, 0.0)]
    assert rng.random() == 0.8966649710038552


def test_scale_and_rotation_stay_in_their_limits():
    rng = np.random.default_rng(0)
    drawn = [ScaleRotation().geometry(rng) for _ in range(4000)]
    scales, angles = (np.array([getattr(change, name) for change in drawn]) for name in ('scale', 'rotation'))
    assert scales.min() == 0.85 and scales.max() == 1.15 and np.abs(angles).max() == 30
    assert 0.36 < (angles == 0).mean() < 0.44
    assert [ScaleRotation(0.0, 0.0).geometry(rng) for _ in range(5)] == [Geometry()] * 5


def test_colours_leave_the_geometry_as_it_was(files):
    colours = [dict(type='ColorJitter', brightness=0.4, hue=0.1), dict(type='RandomErasing', prob=1.0)]
    plain = MP100Dataset(*files, augment=dict(rotation=30))
    listed = MP100Dataset(*files, augment=[dict(type='ScaleRotation', rotation=30)])
    for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0]):
        transforms = [dict(type='ScaleRotation', rotation=30), *colours]
        coloured = MP100Dataset(*files, augment=[transforms[number] for number in order])
        one, same, other, again = (dataset.crop(0, np.random.default_rng(1))
                                   for dataset in (plain, listed, coloured, coloured))
        assert np.array_equal(one.image, same.image)
        assert np.array_equal(one.points, other.points) and np.array_equal(one.crop_to_image, other.crop_to_image)
        assert not np.array_equal(one.image, other.image) and np.array_equal(other.image, again.image)


class Shift(Transform):
    """Half a side to the right."""

    def geometry(self, rng):
        return Geometry(shift=(0.5, 0.0))


def test_changes_of_the_square_add_up(files):
    assert Geometry(2, 10, (1, 0)).then(Geometry(3, -4, (0.5, 1))) == Geometry(6, 6, (1.5, 1))
    shifted = MP100Dataset(*files, augment=[Shift(), ScaleRotation(rotation=90), Shift()])
    plain, crop = MP100Dataset(*files).crop(0), shifted.crop(0, np.random.default_rng(3))
    side = 256 * np.abs(plain.crop_to_image[0, 0])
    middles = [crops.transform_points([[128, 128]], c.crop_to_image)[0] for c in (plain, crop)]
    assert np.allclose(middles[1] - middles[0], [side, 0], atol=1e-2)
    back = crops.transform_points(crop.points[crop.visible] * 256, crop.crop_to_image)
    assert np.allclose(back, [[30, 30], [40, 20]], atol=1e-3)


def test_pixels_depend_on_the_generator_alone(image):
    before = image.copy()
    for transform in (ColorJitter(0.5, 0.5, 0.5, 0.2), RandomErasing(prob=1.0)):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        first = transform.pixels(np.random.default_rng(5), image)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(9)
        assert np.array_equal(transform.pixels(np.random.default_rng(5), image), first)
        assert not np.array_equal(transform.pixels(np.random.default_rng(6), image), first)
        assert first.shape == image.shape and first.dtype == np.uint8 and first.flags.c_contiguous
        assert np.array_equal(image, before)
    assert np.array_equal(ColorJitter().pixels(np.random.default_rng(5), image), image)
    assert np.array_equal(RandomErasing(prob=0).pixels(np.random.default_rng(5), image), image)


def test_brightness_is_scaled(image):
    factors = [ColorJitter(brightness=0.3).pixels(np.random.default_rng(n), image).astype(float).sum() / image.sum()
               for n in range(200)]
    assert 0.69 < min(factors) < 0.75 and max(factors) > 1.1  # white stays white


def test_erased_is_one_rectangle_of_the_size_asked_for(image):
    for seed in range(50):
        erased = RandomErasing(prob=1.0, area=(0.1, 0.3)).pixels(np.random.default_rng(seed), image)
        rows, columns = np.nonzero((erased != image).any(2))
        box = erased[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
        assert (box == box[0, 0]).all() and 0.05 < box.shape[0] * box.shape[1] / (40 * 30) < 0.34


@pytest.mark.parametrize(('augment', 'message'), [
    (dict(scale=-1), 'scale=-1'), (dict(scale=3), 'scale=3'), (dict(scale=1.0), 'below 1'),
    (dict(rotation=math.nan), 'rotation=nan'), (dict(rotation='nan'), "rotation='nan'"),
    (dict(rotation=-1), 'rotation=-1'), (dict(rotation_prob=1.5), 'rotation_prob=1.5'),
    (dict(flip=True), 'rotation_prob'), ([dict(type='Flip')], "'Flip' is not a known transform; valid: ColorJitter"),
    ([dict(scale=0.1)], 'None is not a known transform'), ([dict(type='ColorJitter', hue=0.6)], 'hue=0.6'),
    ([dict(type='ColorJitter', contrast=-0.1)], 'contrast=-0.1'), ([ColorJitter], 'type is not a transform'),
    ([dict(type='RandomErasing', area=(0.3, 0.1))], 'area'), ([dict(type='RandomErasing', area=1)], 'area=1'),
    ([dict(type='RandomErasing', prob=math.inf)], 'prob=inf'), ([3], 'int is not a transform')])
def test_wrong_settings_are_named(augment, message):
    with pytest.raises(CapekitError) as error:
        Augmentation(augment)
    assert message in str(error.value) and '\n' not in str(error.value)
