"""The size of an image from its header."""

import os

from PIL import Image

from capekit.errors import CapekitError

_ORIENTATION, _QUARTER_TURNS = 0x0112, (5, 6, 7, 8)


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width, height of an image as it is shown, which is how OpenCV reads it: turned as its EXIF entry says.

    Raises:
        CapekitError: the file is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
    except FileNotFoundError:
        raise CapekitError(f'{path}: no such image') from None
    except (OSError, ValueError, SyntaxError) as error:
        raise CapekitError(f'{path}: not an image that can be read ({error})') from None
    return (height, width) if turned else (width, height)
