"""From an image file and a box to a square crop, and points back and forth between the two.

Byte for byte what the released CAPE implementations compute: the box grown to a square around its centre, times 1.25,
warped with OpenCV's affine transform from three float32 points, bilinear, zeros outside.
"""

import io
import math

import cv2
import numpy as np

from capekit.errors import CapekitError

BOX_GROWTH = 1.25
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
PNG_END = b'IEND\xaeB`\x82'


def read_image(path: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB, the pixels of `cv2.imread`.

    OpenCV fills the missing part of a truncated file with grey and only prints a warning; here that is an error.

    Raises:
        CapekitError: the file is missing, is not an image, or is truncated.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise CapekitError(f'{path}: cannot read the image file ({error.strerror or error})') from None
    _check_complete(path, data)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise CapekitError(f'{path}: damaged, or not an image that OpenCV can decode ({data.size} bytes)')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_complete(path: str, data: np.ndarray):
    """Raise if the image data end too early. A proper end marker settles it without decoding twice."""
    tail = data[-64:].tobytes().rstrip(b'\x00\r\n')
    if data[:2].tobytes() == JPEG_START and tail.endswith(JPEG_END) or tail.endswith(PNG_END):
        return
    from PIL import Image, UnidentifiedImageError  # Imported here: hardly any file needs it.
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            image.load()
    except UnidentifiedImageError:
        return  # Not a format that Pillow knows: OpenCV decides.
    except (OSError, SyntaxError, ValueError) as error:
        raise CapekitError(f'{path}: damaged or truncated image file ({str(error).splitlines()[0][:80]})') from None


def box_to_square(box: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (2,) float32 and side in pixels of the square that a crop of the (x, y, w, h) box shows."""
    x, y, w, h = (float(value) for value in box)
    center = np.array([x + w * 0.5, y + h * 0.5], dtype=np.float32)
    # The released code stores the side as float32 in units of 200 pixels; its rounding is visible in the crops.
    side = np.float32(max(w, h) / 200) * np.float32(BOX_GROWTH) * np.float32(200)
    return center, float(side)


def crop_matrix(center: np.ndarray, side: float, angle: float, size: int) -> np.ndarray:
    """(2, 3) float64 matrix from image pixels to the pixels of a `size` x `size` crop.

    `angle`, in degrees, turns the square around its centre. Three points define it: the centre, the middle of the
    square's upper edge, and the corner perpendicular to both; float32, because the released crops depend on it.
    """
    radians = math.radians(angle)
    up = np.array([math.sin(radians), -math.cos(radians)]) * (side * 0.5)
    source = _three_points(center, center + up)
    target = _three_points(np.array([size * 0.5, size * 0.5]), np.array([size * 0.5, 0.0]))
    return cv2.getAffineTransform(source, target)


def _three_points(first, second) -> np.ndarray:
    """(3, 2) float32: both points, and the one that forms a right angle at the second."""
    points = np.zeros((3, 2), dtype=np.float32)
    points[0], points[1] = first, second
    back = points[0] - points[1]
    points[2] = points[1] + np.array([-back[1], back[0]], dtype=np.float32)
    return points


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(size, size, C) crop of an (H, W, C) image by a matrix of `crop_matrix`: bilinear, zeros outside the image."""
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 2) float64 points transformed by a (2, 3) matrix."""
    return np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """(2, 3) float64 inverse of a (2, 3) affine matrix."""
    return cv2.invertAffineTransform(np.asarray(matrix, dtype=np.float64))
