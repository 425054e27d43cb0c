"""Panels that figures are made of: an image with keypoints, with errors, with sampling points."""

import colorsys
from collections.abc import Sequence

import numpy as np
import torch

from capekit.errors import printable

PANEL_INCHES = 2.6
MAX_SUPPORTS = 3


def make_panels(rows: int, columns: int) -> tuple:
    """matplotlib's Figure and its (rows, columns) axes."""
    from matplotlib.figure import Figure  # heavy: imported only where used
    figure = Figure(figsize=(columns * PANEL_INCHES, rows * (PANEL_INCHES + 0.3)))
    return figure, figure.subplots(rows, columns, squeeze=False)


def keypoint_colors(count: int) -> list:
    """`count` RGB tuples in [0, 1], hues far apart for neighbours, the same for a keypoint in every panel."""
    return [colorsys.hsv_to_rgb(k / count, 0.85, 1.0) for k in range(count)]


def image_of(image: torch.Tensor) -> np.ndarray:
    """A (3, H, W) image of an episode as (H, W, 3)."""
    return image.permute(1, 2, 0).numpy()


def show_image(axes, image: np.ndarray, title: str) -> None:
    """A (H, W, 3) uint8 RGB image filling the panel, with the title above it."""
    axes.imshow(image)
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(image.shape[0] - 0.5, -0.5)
    axes.set_title(printable(title), fontsize=8, parse_math=False)  # a file may be called a$b$c
    axes.axis('off')


def draw_keypoints(axes, image: np.ndarray, points: np.ndarray, visible: np.ndarray, links: Sequence | np.ndarray,
                   title: str, colors: Sequence | None = None, opacity: np.ndarray | None = None) -> None:
    """One panel: an image, the links whose ends are both visible, the keypoints.

    Args:
        axes: of matplotlib.
        image: (H, W, 3) uint8 RGB.
        points: (K, 2) x, y in pixels of the image.
        visible: (K,) bool: those to draw.
        links: (E, 2) int64, or a list of pairs.
        title: above the image.
        colors: (K, 3) RGB in [0, 1]; None = `keypoint_colors`.
        opacity: (K,) of the keypoints, in [0, 1]; None = 1.
    """
    colors = keypoint_colors(len(points)) if colors is None else colors
    show_image(axes, image, title)
    for a, b in links:
        if visible[a] and visible[b]:
            axes.plot(*points[[a, b]].T, color='white', linewidth=0.8, alpha=0.7)
    for k in np.flatnonzero(visible).tolist():
        axes.plot(*points[k], 'o', color=colors[k], markersize=4.5, markeredgecolor='black', markeredgewidth=0.5,
                  alpha=1.0 if opacity is None else opacity[k])


def number_keypoints(axes, points: np.ndarray, visible: np.ndarray) -> None:
    """Write the numbers of the visible keypoints beside their (K, 2) places."""
    for k in np.flatnonzero(visible).tolist():
        axes.annotate(str(k), points[k], xytext=(3, 3), textcoords='offset points', fontsize=6, color='white',
                      annotation_clip=True).set_path_effects(_outline())


def _outline() -> list:
    from matplotlib.patheffects import withStroke  # heavy: imported only where used
    return [withStroke(linewidth=1.5, foreground='black')]


def draw_errors(axes, points: np.ndarray, labels: np.ndarray, scored: np.ndarray) -> None:
    """Red arrows from the predicted points (K, 2) to the labels (K, 2) of the keypoints that are scored."""
    for k in np.flatnonzero(scored & np.isfinite(points).all(1)).tolist():
        axes.annotate('', xy=labels[k], xytext=points[k], annotation_clip=False,
                      arrowprops=dict(arrowstyle='->', color='red', linewidth=1.1, shrinkA=0, shrinkB=0))


def draw_sampling(axes, image: np.ndarray, references: np.ndarray, locations: np.ndarray, weights: np.ndarray,
                  title: str) -> None:
    """One panel, in pixels: references (R, 2) as red crosses, sampling points (P, 2) in green, opacity weights (P,)."""
    show_image(axes, image, title)
    axes.scatter(*locations.T, s=9, c=[(0.1, 1.0, 0.2, w) for w in weights / weights.max()], linewidths=0)
    axes.scatter(*references.T, s=35, c='red', marker='x', linewidths=1.2)


def draw_map(axes, image: np.ndarray, values: np.ndarray, title: str) -> None:
    """One panel: a map (h, w) over the whole image, half transparent, its highest value in red."""
    show_image(axes, image, title)
    height, width = image.shape[:2]
    axes.imshow(values, extent=(-0.5, width - 0.5, height - 0.5, -0.5), cmap='jet', alpha=0.5)


def draw_estimate(axes, image: np.ndarray, estimate: np.ndarray, label: np.ndarray | None, title: str) -> None:
    """One panel: a point (2,), such as an estimate, as a green circle, with a red arrow to its label (2,) if given."""
    show_image(axes, image, title)
    axes.plot(*estimate, 'o', markersize=8, markerfacecolor='none', markeredgecolor='lime', markeredgewidth=1.5)
    if label is not None:
        axes.annotate('', xy=label, xytext=estimate, arrowprops=dict(arrowstyle='->', color='red', linewidth=1.3))


def score_opacity(scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """(K,) opacity of keypoints in [0.25, 1] by their scores, the highest of those `shown` opaque; 1 without scores.

    Relative, because what counts as a high score differs between methods.
    """
    known = shown & ~np.isnan(scores)
    highest = scores[known].max() if known.any() else 0
    if highest <= 0:
        return np.ones(len(scores))
    return np.where(np.isnan(scores), 1, 0.25 + 0.75 * np.clip(scores / highest, 0, 1))
