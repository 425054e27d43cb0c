"""From an image and a box to a square crop, and points back and forth between the two.

Byte for byte what the released CAPE implementations compute: the box grown to a square around its centre, times 1.25,
warped with OpenCV's affine transform from three float32 points, bilinear, zeros outside.
"""

import math

import cv2
import numpy as np

from capekit.datasets.images import can_be_reduced, read_image

__all__ = ['BOX_GROWTH', 'box_to_square', 'can_be_reduced', 'composed', 'crop_matrix', 'invert', 'on_reduced',
           'read_image', 'transform_points', 'warp']

BOX_GROWTH = 1.25


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


def on_reduced(matrix: np.ndarray, reduction: int) -> np.ndarray:
    """The (2, 3) matrix for an image whose pixels each cover `reduction` x `reduction` of the original's."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2].sum(1) * (reduction - 1) / 2  # where the centre of its first pixel lies
    moved[:, :2] *= reduction
    return moved


def composed(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that does what `first` does, then `second`."""
    return np.column_stack((second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]))


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 2) float64 points transformed by a (2, 3) matrix."""
    return np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """(2, 3) float64 inverse of a (2, 3) affine matrix."""
    return cv2.invertAffineTransform(np.asarray(matrix, dtype=np.float64))
