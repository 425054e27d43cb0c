"""Images: checked before they are decoded, turned as a viewer shows them, scaled to 8 bits, refused where damaged."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from coco_files import content, write, write_images
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from capekit.datasets import MP100Dataset
from capekit.datasets.audit import audit
from capekit.datasets.images import check_header, read_image
from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError

SMOOTH = cv2.resize(np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8), (64, 40))


def refusal(path, size=None, **options) -> str:
    """The message of `read_image`, one line that names the file; what a header shows, `check_header` says as well."""
    with pytest.raises(CapekitError) as caught:
        read_image(str(path), ReadSettings(**options), size)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def saved(path, orientation=1, **options) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SMOOTH).save(path, exif=exif, **options)
    return str(path)


# Orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_pixels_are_those_that_a_viewer_shows(tmp_path, suffix, orientation):
    options = dict(lossless=True) if suffix == '.webp' else {}
    path = saved(tmp_path / f'a{suffix}', orientation, **options)
    with Image.open(path) as image:
        assert np.array_equal(read_image(path), np.asarray(ImageOps.exif_transpose(image)))
    plain = saved(tmp_path / f'plain{suffix}', **options)
    assert np.array_equal(read_image(path, ReadSettings(orientation='stored')), read_image(plain))
    if suffix == '.jpg':
        assert np.array_equal(read_image(path), cv2.imread(path)[..., ::-1])
    header = check_header(path)
    assert (header.size, header.orientation) == ((64, 40), orientation)
    assert read_image(path).shape[1::-1] == header.seen(ReadSettings())


@pytest.fixture
def turned(tmp_path):
    """A function that makes a data set whose first image has an orientation; its labels fit the stored pixels."""
    def make(orientation):
        data = content()
        images = write_images(tmp_path / 'images', data)
        exif = Image.Exif()
        exif[0x0112] = orientation
        with Image.open(images / 'cup/0.jpg') as image:
            image.save(images / 'cup/0.jpg', exif=exif)
        return write(tmp_path / 'a.json', data), images
    return make


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_labels_of_the_stored_pixels(turned, orientation):
    path, images = turned(orientation)
    result = audit([path], images, queries=1)
    with pytest.raises(CapekitError) as caught:
        MP100Dataset(path, images).crop(0)
    for message in (result.problems[0], str(caught.value)):
        assert 'cup/0.jpg' in message and f'EXIF orientation {orientation}' in message
        assert "orientation='stored'" in message
    assert audit([path], images, queries=1, decode=True, settings=ReadSettings(orientation='stored')).clean
    assert MP100Dataset(path, images, orientation='stored').crop(0).image.any()


@pytest.mark.parametrize('orientation', [2, 3, 4])
def test_the_audit_names_images_whose_orientation_sizes_do_not_tell(turned, orientation):
    path, images = turned(orientation)
    result = audit([path], images, queries=1)
    assert result.clean and any(f'cup/0.jpg ({orientation})' in note for note in result.notes)


# Sizes -----------------------------------------------------------------------------------------------------------


def test_an_image_of_another_size(tmp_path):
    data = content()
    images = write_images(tmp_path / 'images', data)
    dataset = MP100Dataset(write(tmp_path / 'a.json', data), images)
    cv2.imwrite(str(images / 'cup/0.jpg'), np.zeros((80, 60, 3), np.uint8))  # replaced after the data set was read
    with pytest.raises(CapekitError, match=r'cup/0.jpg: 60 x 80 pixels.*says 80 x 60.*swapped\?.*annotation 100'):
        dataset.crop(0)
    assert any('swapped' in problem for problem in audit([tmp_path / 'a.json'], images, queries=1).problems)


def bomb(path, width, height):
    """A PNG of a few bytes that claims a size."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
                     + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b''))


@pytest.mark.parametrize('width, height', [(20_000, 20_000), (100_000, 100_000), (40_000, 10), (2 ** 31 - 1, 1)])
def test_bombs_are_refused_by_size(tmp_path, width, height):
    bomb(tmp_path / 'a.png', width, height)
    assert 'pixels' in refusal(tmp_path / 'a.png')
    with pytest.raises(CapekitError, match='pixels'):
        check_header(str(tmp_path / 'a.png'))


def test_the_largest_size_is_a_setting(tmp_path):
    path = saved(tmp_path / 'a.png')
    assert 'max_pixels=2559' in refusal(path, max_pixels=2559)
    assert read_image(path, ReadSettings(max_pixels=2560)).shape == (40, 64, 3)


# Depth -----------------------------------------------------------------------------------------------------------


DEEP = (SMOOTH.astype(np.uint16) << 8) + 77


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jp2'])
@pytest.mark.parametrize('grey', [True, False])
def test_16_bits(tmp_path, suffix, grey):
    path = str(tmp_path / f'a{suffix}')
    cv2.imwrite(path, DEEP[..., 0] if grey else DEEP, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    expected = np.repeat(SMOOTH[..., :1], 3, 2) if grey else SMOOTH[..., ::-1]
    assert np.abs(read_image(path).astype(int) - expected).max() <= (2 if suffix == '.jp2' else 0)


@pytest.mark.parametrize('bits', [10, 12])
def test_fewer_bits_than_the_file_has_room_for(tmp_path, bits):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, DEEP >> (16 - bits))
    assert 'bit_depth=12' in refusal(path)
    assert np.array_equal(read_image(path, ReadSettings(bit_depth=bits)), SMOOTH[..., ::-1])
    assert np.array_equal(read_image(path, ReadSettings(bit_depth=16)), cv2.imread(path)[..., ::-1])
    assert 'more than 9 bits' in refusal(path, bit_depth=9)


def test_the_depth_that_a_png_states(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), DEEP >> 4)
    data, chunk = path.read_bytes(), b'sBIT' + bytes([12, 12, 12])
    path.write_bytes(data[:33] + struct.pack('>I', 3) + chunk + struct.pack('>I', zlib.crc32(chunk)) + data[33:])
    assert np.array_equal(read_image(str(path)), SMOOTH[..., ::-1])


@pytest.mark.parametrize('mode, suffix', [('P', '.png'), ('RGBA', '.png'), ('LA', '.png'), ('L', '.png'), ('1', '.png'),
                                          ('L', '.jpg'), ('CMYK', '.jpg'), ('CMYK', '.tif'), ('RGB', '.bmp')])
def test_other_kinds_of_8_bits_are_read_as_opencv_does(tmp_path, mode, suffix):
    path = str(tmp_path / f'a{suffix}')
    Image.fromarray(SMOOTH).convert(mode).save(path)
    assert np.array_equal(read_image(path), cv2.imread(path)[..., ::-1])


# Damage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp('sound') / 'a.jpg'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    return path.read_bytes()


@pytest.mark.parametrize('length', [200, 1000])
@pytest.mark.parametrize('filling', ['zeros', 'noise', 'cut'])
def test_jpegs_damaged_in_the_middle(tmp_path, sound, length, filling, capfd):
    rng = np.random.default_rng(1)
    middle = dict(zeros=bytes(length), noise=rng.bytes(length), cut=b'')[filling]
    path = tmp_path / 'a.jpg'
    path.write_bytes(sound[:3000] + middle + sound[3000 + length:])
    assert "damaged_images='read'" in refusal(path)
    assert read_image(str(path), ReadSettings(damaged_images='read')).shape == (80, 80, 3)
    assert not capfd.readouterr().err  # what the decoder prints is in the message


def test_what_other_code_prints_while_an_image_is_decoded_is_not_lost(tmp_path, capfd, monkeypatch):
    path, decode = saved(tmp_path / 'a.jpg'), cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda *arguments: os.write(2, b'from a thread\n') and decode(*arguments))
    read_image(path)
    assert capfd.readouterr().err == 'from a thread\n'


def test_pngs_damaged_in_the_middle(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[:5000] + bytes(64) + data[5064:])
    assert 'damaged' in refusal(path)


def test_what_is_no_file(tmp_path):
    (tmp_path / 'empty.jpg').touch()
    (tmp_path / 'folder.jpg').mkdir()
    assert 'is empty' in refusal(tmp_path / 'empty.jpg')
    assert 'cannot read' in refusal(tmp_path / 'folder.jpg')
    assert 'cannot read' in refusal(tmp_path / 'none.jpg')


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(['.jpg', '.png', '.tif', '.webp', '.bmp', '.gif', '.jp2']), st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp('any') / f'a{suffix}'
    Image.fromarray(SMOOTH).save(path)
    broken = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=8)):
        broken[place] = data.draw(st.integers(0, 255))
    path.write_bytes(broken[:data.draw(st.integers(0, len(broken)))])
    try:
        image = read_image(str(path))
        assert image.dtype == np.uint8 and image.shape[2] == 3
    except CapekitError as error:
        assert str(path) in str(error)


# Files outside the folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('link_of', ['cup/0.jpg', 'cup'])
def test_links_that_lead_out_of_the_folder(tmp_path, link_of):
    data = content()
    path, images = write(tmp_path / 'a.json', data), write_images(tmp_path / 'images', data)
    elsewhere = tmp_path / 'elsewhere'
    (images / link_of).rename(elsewhere)
    (images / link_of).symlink_to(elsewhere)
    with pytest.raises(CapekitError, match=r"cup/0.jpg is a link that leads out.*elsewhere.*outside_images='read'"):
        MP100Dataset(path, images)
    assert any('is a link that leads out' in problem for problem in audit([path], images, queries=1).problems)
    assert len(MP100Dataset(path, images, outside_images='read')) == 8
    # A link to the folder itself, and links within it, are as good as what they lead to.
    (tmp_path / 'link').symlink_to(images)
    (images / link_of).unlink()
    elsewhere.rename(images / 'moved')
    (images / link_of).symlink_to(images / 'moved')
    assert len(MP100Dataset(path, tmp_path / 'link')) == 8
