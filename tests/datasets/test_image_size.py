"""Sizes from the headers of images."""

import cv2
import pytest
from PIL import Image

from capekit.datasets.image_size import image_size
from capekit.errors import CapekitError


@pytest.mark.parametrize(('orientation', 'size'), [(1, (8, 5)), (3, (8, 5)), (6, (5, 8)), (8, (5, 8))])
def test_sizes_are_those_that_opencv_sees(orientation, size, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new('RGB', (8, 5)).save(tmp_path / 'a.jpg', exif=exif)
    height, width = cv2.imread(str(tmp_path / 'a.jpg')).shape[:2]
    assert image_size(tmp_path / 'a.jpg') == (width, height) == size


def test_what_is_no_image_is_one_line(tmp_path):
    with pytest.raises(CapekitError, match=r'a\.jpg: no such image'):
        image_size(tmp_path / 'a.jpg')
    (tmp_path / 'a.jpg').write_text('text')
    with pytest.raises(CapekitError, match=r'a\.jpg: not an image'):
        image_size(tmp_path / 'a.jpg')
