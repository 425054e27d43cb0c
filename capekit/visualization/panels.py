"""Figures with panels support | query with labels | query with the prediction, one file per category."""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capekit.datasets import MP100Dataset, TestPlan
from capekit.datasets.crops import transform_points

PANEL_INCHES = 2.6
MAX_SUPPORTS = 3


def keypoint_colors(count: int) -> list:
    """`count` RGB tuples in [0, 1], hues far apart for neighbours, the same for a keypoint in every panel."""
    return [colorsys.hsv_to_rgb(k / count, 0.85, 1.0) for k in range(count)]


def show_image(axes, image: np.ndarray, title: str) -> None:
    """A (H, W, 3) uint8 RGB image filling the panel, with the title above it."""
    axes.imshow(image)
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(image.shape[0] - 0.5, -0.5)
    axes.set_title(title, fontsize=8)
    axes.axis('off')


def draw_keypoints(axes, image: np.ndarray, points: np.ndarray, visible: np.ndarray, links: Sequence,
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


def draw_sampling(axes, image: np.ndarray, references: np.ndarray, locations: np.ndarray, weights: np.ndarray,
                  title: str) -> None:
    """One panel, in pixels: references (R, 2) as red crosses, sampling points (P, 2) in green, opacity weights (P,)."""
    show_image(axes, image, title)
    axes.scatter(*locations.T, s=9, c=[(0.1, 1.0, 0.2, w) for w in weights / weights.max()], linewidths=0)
    axes.scatter(*references.T, s=35, c='red', marker='x', linewidths=1.2)


def draw_estimate(axes, image: np.ndarray, estimate: np.ndarray, label: np.ndarray | None, title: str) -> None:
    """One panel: an estimate (2,) as a green circle, with a red arrow to its label (2,) if there is one."""
    show_image(axes, image, title)
    axes.plot(*estimate, 'o', markersize=8, markerfacecolor='none', markeredgecolor='lime', markeredgewidth=1.5)
    if label is not None:
        axes.annotate('', xy=label, xytext=estimate, arrowprops=dict(arrowstyle='->', color='red', linewidth=1.3))


def draw_episodes(dataset: MP100Dataset, plan: TestPlan, points: np.ndarray, scores: np.ndarray, folder: str | Path,
                  per_category: int = 3) -> int:
    """Draw the first query of the first episodes of every category.

    Args:
        dataset: with images.
        plan: E episodes of Q queries.
        points: (E, Q, Kmax, 2) predictions in image pixels.
        scores: (E, Q, Kmax) their confidence, nan where there is none.
        folder: gets `<category id>_<name>.png`.
        per_category: episodes per category, one below the other.

    Returns:
        the number of files written.
    """
    from matplotlib.figure import Figure  # heavy: imported only where used
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = dataset.category_ids[plan.queries[:, 0]]
    present = list(dict.fromkeys(ids.tolist()))
    for category_id in present:
        category = dataset.categories[category_id]
        episodes = np.flatnonzero(ids == category_id)[:per_category]
        supports = min(plan.shots, MAX_SUPPORTS)
        figure = Figure(figsize=(PANEL_INCHES * (supports + 2), (PANEL_INCHES + 0.3) * len(episodes)))
        grid = figure.subplots(len(episodes), supports + 2, squeeze=False)
        for axes, episode in zip(grid, episodes, strict=True):
            row = [*plan.supports[episode], plan.queries[episode, 0]]
            _draw_row(axes, dataset, category, row, points[episode, 0], scores[episode, 0], supports)
        figure.tight_layout(pad=0.5)
        figure.savefig(folder / f'{category_id}_{category.name.replace("/", "_")}.png', dpi=110)
    return len(present)


def _draw_row(axes, dataset, category, row: Sequence, predicted: np.ndarray, scores: np.ndarray,
              supports: int) -> None:
    """One row of panels: `supports` support images, the query with its labels, the query with the prediction."""
    crops = [dataset.crop(int(number)) for number in row]
    size, query = dataset.image_size, crops[-1]
    scored = np.all([crop.visible for crop in crops], 0)
    for place in range(supports):
        crop = crops[place]
        draw_keypoints(axes[place], crop.image, crop.points * size, crop.visible, category.links,
                       f'support {place + 1}: {category.name}')
    draw_keypoints(axes[supports], query.image, query.points * size, query.visible, category.links, 'query, labels')
    to_crop = np.linalg.inv(np.vstack((query.crop_to_image, [0, 0, 1])))[:2]
    predicted, scores = transform_points(predicted[:category.num_keypoints], to_crop), scores[:category.num_keypoints]
    # Keypoints that no support shows are not predicted.
    shown = np.all([crop.visible for crop in crops[:-1]], 0)
    distance = np.linalg.norm(predicted - query.points * size, axis=1) / (size / 1.25)
    hit = (distance < 0.2)[scored].mean() if scored.any() else float('nan')
    title = f'prediction, PCK@0.2 {100 * hit:.0f}'
    if not np.isnan(scores[shown]).all():
        title += f', score {np.nanmean(scores[shown]):.2f}'
    draw_keypoints(axes[-1], query.image, predicted, shown, category.links, title, opacity=score_opacity(scores, shown))


def score_opacity(scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """(K,) opacity of keypoints in [0.25, 1] by their scores, the highest of those `shown` opaque; 1 without scores.

    Relative, because what counts as a high score differs between methods.
    """
    known = shown & ~np.isnan(scores)
    highest = scores[known].max() if known.any() else 0
    if highest <= 0:
        return np.ones(len(scores))
    return np.where(np.isnan(scores), 1, 0.25 + 0.75 * np.clip(scores / highest, 0, 1))
