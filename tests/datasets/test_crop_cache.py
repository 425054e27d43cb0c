"""Crops from a file: the same bytes as without it, whatever happens to the file."""

import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest
from coco_files import content, write, write_images

from capekit.datasets import EpisodeKey, MP100Dataset
from capekit.errors import CapekitError

NUMBERS = range(12)


@pytest.fixture
def files(tmp_path):
    """Annotation file, image folder, folder for crops."""
    data = content(categories=((1, 'cup', 3), (2, 'bird', 4)), per_category=6)
    return write(tmp_path / 'ann.json', data), write_images(tmp_path / 'images', data), tmp_path / 'crops'


def _dataset(files, augment=None, cached=True, **options):
    crop_cache = dict(folder=files[2], **options) if cached else None
    return MP100Dataset(*files[:2], image_size=32, augment=augment, crop_cache=crop_cache)


def _crops(dataset) -> list:
    return [dataset.crop(i).image for i in NUMBERS]


def _assert_equal(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_crops_without_decoding_again(files, monkeypatch):
    plain = _crops(_dataset(files, cached=False))
    _assert_equal(_crops(_dataset(files)), plain)
    monkeypatch.setattr('capekit.datasets.crops.read_image', None)
    _assert_equal(_crops(_dataset(files)), plain)
    _assert_equal(_crops(pickle.loads(pickle.dumps(_dataset(files)))), plain)


def test_colour_augmentation_is_drawn_as_without_it(files):
    augment = [dict(type='ColorJitter', brightness=0.5), dict(type='RandomErasing', prob=1.0)]
    for seed in range(3):
        key = EpisodeKey((0, 1, 2), seed)
        plain, *cached = (dataset[key] for dataset in (_dataset(files, augment, cached=False), _dataset(files, augment),
                                                       _dataset(files, augment)))
        for episode in cached:
            _assert_equal([episode.support_images, episode.query_images, episode.query_points],
                          [plain.support_images, plain.query_images, plain.query_points])


def test_geometric_augmentation_decodes_unless_a_margin_is_kept(files):
    augment = dict(scale=0.15, rotation=15)
    key = EpisodeKey((0, 1, 2), 5)
    plain, exact, wide = (dataset[key] for dataset in (
        _dataset(files, augment, cached=False), _dataset(files, augment), _dataset(files, augment, margin=1.6)))
    _assert_equal([exact.query_images], [plain.query_images])
    _assert_equal([wide.query_points], [plain.query_points])  # the same draws
    assert len(list(files[2].iterdir())) == 1
    # Pixels of noise, interpolated twice: alike, not equal.
    apart = (wide.query_images.float() - plain.query_images.float()).abs().mean()
    assert 0 < apart < 30
    _assert_equal(_crops(_dataset(files, augment, margin=1.6)), _crops(_dataset(files, cached=False)))


def test_two_processes_fill_one_file(files):
    with ProcessPoolExecutor(2) as pool:
        both = list(pool.map(_crops, [_dataset(files), _dataset(files)]))
    _assert_equal(both[0], both[1])
    _assert_equal(_crops(_dataset(files)), _crops(_dataset(files, cached=False)))
    assert len(list(files[2].iterdir())) == 1


@pytest.mark.parametrize('damage', ['cut', 'zeros', 'noise'])
def test_a_damaged_file_is_filled_again(files, damage):
    plain = _crops(_dataset(files))
    path, = files[2].iterdir()
    size = path.stat().st_size
    with open(path, 'r+b') as file:
        if damage == 'cut':
            file.truncate(size // 2)
        else:
            file.seek(60)  # after the checksums and the beginning of the first crop
            file.write(b'\0' * 2000 if damage == 'zeros' else bytes(range(256)) * 8)
    _assert_equal(_crops(_dataset(files)), plain)
    assert path.stat().st_size == size


def test_a_changed_image_is_read(files):
    before = _dataset(files).crop(0).image
    old, = files[2].iterdir()
    image = files[1] / _dataset(files).instance(0)['image_file']
    pixels = cv2.imread(str(image))
    cv2.imwrite(str(image), 255 - pixels)
    os.utime(image, ns=(1, 1))
    after = _dataset(files).crop(0).image
    assert np.abs(after.astype(int) - before).max() > 100
    new, = files[2].iterdir()
    assert new != old


def test_its_size_is_bounded(files):
    dataset = _dataset(files, gib=4 * 3100 / 2 ** 30)  # four crops of 32 x 32
    _assert_equal(_crops(dataset), _crops(_dataset(files, cached=False)))
    path, = files[2].iterdir()
    assert dataset._cache.kept == 4 and path.stat().st_size <= 4 * 3100


def test_a_full_disk_ends_the_filling(files, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.pwrite', full)
    _assert_equal(_crops(_dataset(files)), _crops(_dataset(files, cached=False)))


def test_wrong_settings(files, tmp_path):
    with pytest.raises(CapekitError, match='crop_cache: .*size.*valid: folder, gib, margin'):
        _dataset(files, size=3)
    with pytest.raises(CapekitError, match='margin=0.5'):
        _dataset(files, margin=0.5)
    with pytest.raises(CapekitError, match='no image folder'):
        MP100Dataset(files[0], crop_cache=dict(folder=tmp_path))
    (tmp_path / 'file').touch()
    with pytest.raises(CapekitError, match='crop_cache: .*file'):
        MP100Dataset(*files[:2], crop_cache=dict(folder=tmp_path / 'file'))
