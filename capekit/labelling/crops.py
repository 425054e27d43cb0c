"""Square crops around boxes, plain or changed by a `Geometry`, and points between them and the image."""

import numpy as np
import torch
from torch import Tensor

from capekit.datasets.crops import box_to_square, crop_matrix, invert, transform_points, warp
from capekit.datasets.transforms import Geometry

PLAIN = Geometry()


def square_matrix(box: np.ndarray, size: int, geometry: Geometry = PLAIN) -> np.ndarray:
    """(2, 3) from pixels of the image to those of a `size` x `size` crop of the box."""
    center, side = box_to_square(box)
    return crop_matrix(center + np.multiply(geometry.shift, side), side * geometry.scale, geometry.rotation, size)


def cut(image: np.ndarray, box: np.ndarray, size: int, geometry: Geometry = PLAIN) -> tuple[np.ndarray, np.ndarray]:
    """The crop (size, size, 3) uint8 of a box, and the (2, 3) matrix from the image's pixels to its own."""
    matrix = square_matrix(box, size, geometry)
    return warp(image, matrix, size), matrix


def to_tensor(crops: list) -> Tensor:
    """N crops (H, W, 3) uint8 -> (N, 3, H, W)."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()


def to_image(points: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(K, 2) points normalised by the crop's side -> pixels of the image."""
    return transform_points(points * size, invert(matrix))
