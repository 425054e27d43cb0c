"""Figures of an iterative method: the structure it predicts, where its stages read, where they put the points."""

from collections.abc import Sequence

import numpy as np
import torch

from capekit.errors import CapekitError
from capekit.models.layers import edge_density, shares, structure_edges
from capekit.structures import Episode, Prediction
from capekit.visualization.panels import (
    MAX_SUPPORTS,
    draw_estimate,
    draw_keypoints,
    draw_map,
    draw_sampling,
    image_of,
    keypoint_colors,
    make_panels,
    show_image,
)


@torch.no_grad()
def structure_figure(estimator, episode: Episode):
    """SDPNet's figure 5: predicted edges in yellow over the supports, width by strength, beside the structure itself.

    Args:
        estimator: with an `SDPNetHead` or `EdgeCapeHead` that predicts a structure, in eval mode, on the CPU.
        episode: a batch of one.

    Returns:
        matplotlib's Figure. Row i of the last panel shows what keypoint i listens to.
    """
    extras = estimator(episode, mode='predict').extras
    count = int(episode.num_keypoints[0])
    predicted = extras['structure'] if 'structure' in extras else extras['adjacency']
    density = edge_density(predicted, extras['mask'])[0]
    structure = shares(predicted)[0, :count, :count]
    edges = structure_edges(structure[None])[0].nonzero().tolist()
    supports = min(episode.shots, MAX_SUPPORTS)
    figure, ((*panels, last),) = make_panels(1, supports + 1)
    for shot, axes in enumerate(panels):
        image = image_of(episode.support_images[0, shot])
        points = episode.support_points[0, shot, :count].numpy() * image.shape[0]
        visible = episode.support_visible[0, shot, :count].numpy()
        draw_keypoints(axes, image, points, visible, [], f'support {shot + 1}: {len(edges)} edges')
        for i, j in edges:
            if visible[i] and visible[j]:
                axes.plot(*points[[i, j]].T, color='yellow', linewidth=0.4 + 1.6 * structure[i, j].item(), zorder=1)
    last.imshow(structure.numpy(), cmap='viridis')
    last.set_title(f'structure, density {density:.2f}', fontsize=8)
    last.tick_params(labelsize=6)
    last.locator_params(integer=True)
    figure.tight_layout(pad=0.4)
    return figure


@torch.no_grad()
def attention_figure(estimator, episode: Episode, keypoints: Sequence[int]):
    """One row per keypoint: the support that counts most for it, the query's similarity map, where every stage reads.

    Sampling is drawn as for FMMP: a red cross where the stage starts, green dots with their weight as opacity; `x` in a
    title is the factor of equation 6 (the mean, if there is one per offset).

    Args:
        estimator: with an `SDPNetHead`, in eval mode, on the CPU.
        episode: a batch of one.
        keypoints: their numbers.

    Returns:
        matplotlib's Figure.
    """
    prediction = estimator(episode, mode='predict')
    extras, query = prediction.extras, image_of(episode.query_images[0])
    similarity = extras['similarity'][0].flatten(1).softmax(-1).view(extras['similarity'].shape[1:])
    size, stages = query.shape[0], len(prediction.layers)
    starts = torch.cat((extras['peaks'][None], prediction.layers[:-1]))[:, 0].numpy() * size
    labels = episode.query_points[0].numpy() * size
    figure, grid = make_panels(len(keypoints), stages + 3)
    for axes, k in zip(grid, keypoints, strict=True):
        weights = extras['instance_weights'][0, :, k]
        shot = int(weights.argmax())
        support = image_of(episode.support_images[0, shot])
        only = np.arange(episode.support_points.shape[2]) == k
        draw_keypoints(axes[0], support, episode.support_points[0, shot].numpy() * size,
                       only & episode.support_visible[0, shot].numpy(), [],
                       f'keypoint {k}, support {shot + 1} weighs {weights[shot]:.2f}')
        draw_map(axes[1], query, similarity[k].numpy(), 'similarity')
        for stage in range(stages):
            draw_sampling(axes[2 + stage], query, starts[stage, k][None],
                          extras['locations'][stage, 0, k].flatten(0, -2).numpy() * size,
                          extras['weights'][stage, 0, k].flatten().numpy(),
                          f'stage {stage + 1}, x {extras["spread"][stage, 0, k].mean():.2f}')
        draw_estimate(axes[-1], query, prediction.points[0, k].numpy() * size,
                      labels[k] if episode.query_visible[0, k] else None, 'estimate')
    figure.tight_layout(pad=0.4)
    return figure


@torch.no_grad()
def similarity_figure(estimator, episode: Episode, keypoints: Sequence[int]):
    """One row per keypoint: it on the first support that shows it, its map over the query, its estimate.

    Args:
        estimator: of any method whose `extras` have `similarity` or `heatmaps`, in eval mode, on the CPU.
        episode: a batch of one.
        keypoints: their numbers.

    Returns:
        matplotlib's Figure. Similarity is shown as the softmax over the map, a heat map as it is.

    Raises:
        CapekitError: the method has no map for each keypoint.
    """
    prediction = estimator(episode, mode='predict')
    if 'similarity' in prediction.extras:
        maps = prediction.extras['similarity'][0]
        maps, name = maps.flatten(1).softmax(-1).view(maps.shape), 'similarity'
    elif 'heatmaps' in prediction.extras:
        maps, name = prediction.extras['heatmaps'][0], 'heat map'
    else:
        raise CapekitError('similarity: this method answers with points alone; it has no map for each keypoint')
    query = image_of(episode.query_images[0])
    size = query.shape[0]
    figure, grid = make_panels(len(keypoints), 3)
    for axes, k in zip(grid, keypoints, strict=True):
        shot = int(episode.support_visible[0, :, k].int().argmax())  # the first of the largest
        support, title = image_of(episode.support_images[0, shot]), f'keypoint {k}, support {shot + 1}'
        if episode.support_visible[0, shot, k]:
            draw_estimate(axes[0], support, episode.support_points[0, shot, k].numpy() * size, None, title)
        else:
            show_image(axes[0], support, f'{title}: not visible')
        draw_map(axes[1], query, maps[k].numpy(), f'{name}, highest {maps[k].max():.2g}')
        draw_estimate(axes[2], query, prediction.points[0, k].numpy() * size,
                      episode.query_points[0, k].numpy() * size if episode.query_visible[0, k] else None,
                      f'estimate, score {prediction.scores[0, k]:.2f}')
    figure.tight_layout(pad=0.4)
    return figure


@torch.no_grad()
def stages_figure(estimator, episode: Episode):
    """The query with its labels, where matching put the keypoints, and where each stage did; white lines are errors.

    Args:
        estimator: of any iterative method, in eval mode, on the CPU.
        episode: a batch of one.

    Returns:
        matplotlib's Figure.
    """
    prediction = estimator(episode, mode='predict')
    steps = _steps(prediction)
    query, count = image_of(episode.query_images[0]), int(episode.num_keypoints[0])
    labels, visible = (value[0, :count].numpy() for value in (episode.query_points, episode.query_visible))
    seen = visible & episode.support_visible[0, :, :count].all(0).numpy()
    labels, size = labels * query.shape[0], query.shape[0]
    figure, ((first, *panels),) = make_panels(1, len(steps) + 1)
    draw_keypoints(first, query, labels, visible, episode.links[0].numpy(), 'query, labels')
    for axes, (title, points) in zip(panels, steps.items(), strict=True):
        points = points[0, :count].numpy() * size
        errors = np.linalg.norm(points - labels, axis=1)[seen]
        mean = f', mean error {errors.mean():.1f} px' if len(errors) else ''
        show_image(axes, query, title + mean)
        for k, color in enumerate(keypoint_colors(count)):
            if seen[k]:
                axes.plot(*np.stack((points[k], labels[k])).T, color='white', linewidth=0.8)
                axes.plot(*points[k], 'o', color=color, markersize=4, markeredgecolor='black', markeredgewidth=0.5)
    figure.tight_layout(pad=0.4)
    return figure


def _steps(prediction: Prediction) -> dict:
    """Title -> (B, K, 2): the matched peaks, if the method has them, then the points of each layer."""
    matched = dict(matching=prediction.extras['peaks']) if 'peaks' in prediction.extras else {}
    layers = () if prediction.layers is None else prediction.layers
    return matched | {f'stage {index + 1}': points for index, points in enumerate(layers)}
