"""Figures of FMMP: padded keypoints (the paper's figure 3) and where features are mined (its figure 5)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from capekit.models.layers import DeformableAttention
from capekit.models.padding import Padding
from capekit.structures import Episode
from capekit.visualization.panels import (
    PANEL_INCHES,
    draw_estimate,
    draw_keypoints,
    draw_sampling,
    image_of,
    keypoint_colors,
    show_image,
)


def padding_figure(episode: Episode, paddings: Sequence[tuple[str, Padding]]):
    """Figure 3: the first support above, the query below; raw keypoints, then one column per padding.

    Args:
        episode: a batch of one, with links.
        paddings: (title, padding) pairs, for the episode's category.

    Returns:
        matplotlib's Figure.
    """
    from matplotlib.figure import Figure  # heavy: imported only where used
    figure = Figure(figsize=(PANEL_INCHES * (len(paddings) + 1), 2 * (PANEL_INCHES + 0.2)))
    grid = figure.subplots(2, len(paddings) + 1, squeeze=False)
    panels = (('support', episode.support_images[0, 0], episode.support_points[:, 0], episode.support_visible[:, 0]),
              ('query', episode.query_images[0], episode.query_points, episode.query_visible))
    count = int(episode.num_keypoints[0])
    for axes, (name, image, points, visible) in zip(grid, panels, strict=True):
        pixels, size = image_of(image), image.shape[-1]
        draw_keypoints(axes[0], pixels, points[0, :count].numpy() * size, visible[0, :count].numpy(),
                       episode.links[0].numpy(), f'{name}: {count} keypoints')
        for panel, (title, padding) in zip(axes[1:], paddings, strict=True):
            padded, seen = padding.pad(points, visible)
            draw_keypoints(panel, pixels, padded[0].numpy() * size, seen[0].numpy(), padding.edges(seen)[0],
                           f'{name}: {title}', colors=list(_padded_colors(padding)))
    figure.tight_layout(pad=0.4)
    return figure


def _padded_colors(padding: Padding) -> np.ndarray:
    """(T, 3) RGB: an added keypoint mixes its link's two colours by its position on the link."""
    colors = np.zeros((padding.slots, 3))
    count = int(padding.counts[0])
    colors[:count] = keypoint_colors(count)
    ratio, ends = padding.ratio[0, :, None].double().numpy(), padding.ends[0].numpy()
    mixed = ratio * colors[ends[:, 0]] + (1 - ratio) * colors[ends[:, 1]]
    return np.where(padding.link[0, :, None].numpy() >= 0, mixed, colors)


@contextmanager
def recorded_sampling(miner: nn.Module) -> Iterator[list]:
    """While the block runs, every deformable attention inside `miner` adds (references, locations, weights) to a list.

    references (N, T, 2) or (N, T, M, 2); locations (N, T, heads, L, P, 2), normalised; weights (N, T, heads, L, P).
    """
    records = []

    def keep(_, inputs: tuple, output: tuple) -> None:
        records.append((inputs[1], *output[1:]))
    handles = [part.register_forward_hook(keep) for part in miner.modules() if isinstance(part, DeformableAttention)]
    try:
        yield records
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def sampling_figure(estimator, episode: Episode, keypoints: Sequence[int], layer: int = -1):
    """Figure 5, one row per keypoint: where its features are mined on the first support and the query, its estimate.

    A red cross is a reference point, a green dot a sampling point with its weight as opacity; the third column has the
    estimate as a green circle and a red arrow to the label. A support that does not show the keypoint stays bare.

    Args:
        estimator: with an `FMMPHead`, in eval mode, on the CPU.
        episode: a batch of one.
        keypoints: their numbers.
        layer: index of the recurrent layer.

    Returns:
        matplotlib's Figure.
    """
    from matplotlib.figure import Figure
    head = estimator.head
    with recorded_sampling(head.support_layers[layer]) as on_support, \
            recorded_sampling(head.query_layers[layer]) as on_query:
        prediction = estimator(episode, mode='predict')
    figure = Figure(figsize=(3 * PANEL_INCHES, (PANEL_INCHES + 0.2) * len(keypoints)))
    grid = figure.subplots(len(keypoints), 3, squeeze=False)
    support = image_of(episode.support_images[0, 0])
    query = image_of(episode.query_images[0])
    size, labels = query.shape[0], episode.query_points[0].numpy() * query.shape[0]
    for axes, keypoint in zip(grid, keypoints, strict=True):
        if episode.support_visible[0, 0, keypoint]:
            _draw_sampling(axes[0], support, on_support, keypoint, f'support, keypoint {keypoint}')
        else:
            show_image(axes[0], support, f'support, keypoint {keypoint}: not visible')
        _draw_sampling(axes[1], query, on_query, keypoint, f'query, keypoint {keypoint}')
        draw_estimate(axes[2], query, prediction.points[0, keypoint].numpy() * size,
                      labels[keypoint] if episode.query_visible[0, keypoint] else None,
                      f'estimate, keypoint {keypoint}')
    figure.tight_layout(pad=0.4)
    return figure


def _draw_sampling(axes, image: np.ndarray, records: list, keypoint: int, title: str) -> None:
    size = image.shape[0]
    references = np.concatenate([r[0, keypoint].reshape(-1, 2).numpy() for r, _, _ in records]) * size
    locations = np.concatenate([x[0, keypoint].reshape(-1, 2).numpy() for _, x, _ in records]) * size
    weights = np.concatenate([w[0, keypoint].flatten().numpy() for _, _, w in records])
    draw_sampling(axes, image, references, locations, weights, title)
