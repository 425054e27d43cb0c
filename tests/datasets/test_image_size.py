"""Sizes from the headers of images."""

import cv2
import pytest
from PIL import Image

from capekit.datasets.image_size import image_size
from capekit.datasets.images import read_image
from capekit.errors import CapekitError
from capekit.labelling.sources import IMAGES


@pytest.mark.parametrize('suffix', IMAGES)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_sizes_are_those_of_the_pixels_that_are_read(orientation, suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a{suffix}'
    Image.new('RGB', (8, 5)).save(path, exif=exif)
    height, width = read_image(str(path)).shape[:2]
    assert image_size(path) == (width, height) == ((5, 8) if orientation > 4 and suffix != '.bmp' else (8, 5))
    if suffix in ('.jpg', '.jpeg'):
        assert cv2.imread(str(path)).shape[:2] == (height, width)


def test_what_is_no_image_is_one_line(tmp_path):
    with pytest.raises(CapekitError, match=r'a\.jpg: cannot read the image file .No such file'):
        image_size(tmp_path / 'a.jpg')
    (tmp_path / 'a.jpg').write_text('text')
    with pytest.raises(CapekitError, match=r'a\.jpg: damaged, or not an image'):
        image_size(tmp_path / 'a.jpg')
