"""The size of an image from its header."""

import os

from capekit.datasets.images import DEFAULT, check_header


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width, height of an image as `read_image` reads it: turned as its EXIF entry says.

    Raises:
        CapekitError: the file is missing, not an image, or too large.
    """
    return check_header(os.fspath(path)).seen(DEFAULT)
