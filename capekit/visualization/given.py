"""What a model is given: the images of an episode with their keypoints and links."""

from capekit.structures import Episode
from capekit.visualization.panels import draw_keypoints, image_of, make_panels, number_keypoints


def episode_figure(episode: Episode):
    """One row: every support, then the query, with numbered keypoints and the category's links.

    Args:
        episode: a batch of one; slots beyond its keypoints are padding and not drawn.

    Returns:
        matplotlib's Figure.
    """
    count, links = int(episode.num_keypoints[0]), episode.links[0].numpy()
    images = [*((f'support {shot + 1}', episode.support_images[0, shot], episode.support_points[0, shot],
                 episode.support_visible[0, shot]) for shot in range(episode.shots)),
              ('query', episode.query_images[0], episode.query_points[0], episode.query_visible[0])]
    figure, (row,) = make_panels(1, len(images))
    for axes, (name, image, points, visible) in zip(row, images, strict=True):
        height, width = image.shape[-2:]
        places, seen = points[:count].numpy() * (width, height), visible[:count].numpy()
        draw_keypoints(axes, image_of(image), places, seen, links, f'{name}: {seen.sum()} keypoints')
        number_keypoints(axes, places, seen)
    figure.tight_layout(pad=0.5)
    return figure


def slots_of(episode: Episode) -> str:
    """'3 keypoints in 5 slots: 0 nose, 1 ear, 2 tail': what a batch of one is padded to, and names as far as known."""
    count, slots = int(episode.num_keypoints[0]), episode.query_points.shape[1]
    names = [f'{k} {name}' for k, name in enumerate(episode.task.names[0])]
    return f'{count} keypoints in {slots} slots' + (f': {", ".join(names)}' if names else '')
