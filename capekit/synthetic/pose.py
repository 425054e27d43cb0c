"""An instance of a category: joints bent, proportions varied, rotated in space, placed in an image."""

import numpy as np

from .categories import Category

MAX_ROLL = np.pi
"""Objects lie at any angle in the image plane."""


def pose(category: Category, rng: np.random.Generator) -> tuple:
    """Bend and rotate the category: (N, 2) points, the longest side at rest near 1, (N,) depths, roll in radians."""
    count = len(category.rest)
    offsets = category.rest * (1 + rng.uniform(-0.14, 0.14, 3))
    lengths = 1 + rng.uniform(-0.12, 0.12, count)
    bends = category.bends * rng.uniform(-1, 1, count)
    points, turns = offsets.copy(), np.zeros(count)
    for n in category.order:
        parent = category.parents[n]
        if parent < 0:
            continue
        turns[n] = turns[parent] + bends[n]
        bone = (offsets[n] - offsets[parent]) * lengths[n]
        cos, sin = np.cos(turns[n]), np.sin(turns[n])
        points[n, 0] = points[parent, 0] + cos * bone[0] - sin * bone[1]
        points[n, 1] = points[parent, 1] + sin * bone[0] + cos * bone[1]
        points[n, 2] = points[parent, 2] + bone[2]
    yaw, pitch = rng.uniform(-1, 1, 2) * (category.yaw, category.pitch)
    roll = rng.uniform(-MAX_ROLL, MAX_ROLL)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = points @ (about_z @ about_x @ about_y).T
    return turned[:, :2], turned[:, 2], roll


def place(points: np.ndarray, margin: float, width: int, height: int, rng: np.random.Generator) -> tuple:
    """Scale and shift posed points into an image: (N, 2) pixels and the pixels per unit.

    The object and its `margin` fill half to nearly all of the image along the tighter side, anywhere in it; one in
    eight is cut by an edge.
    """
    low, high = points.min(0) - margin, points.max(0) + margin
    extent, frame = high - low, np.array([width, height], float)
    unit = rng.uniform(0.5, 0.92) * (frame / extent).min()
    slack = frame - extent * unit
    corner = slack * rng.random(2)
    if rng.random() < 0.125:
        corner += rng.uniform(-0.15, 0.15, 2) * extent * unit
    return (points - low) * unit + corner, unit
