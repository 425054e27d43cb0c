"""Heads called without an estimator: features in, answers and losses out."""

import torch

from capekit.structures import Episode, Task


def ask(head, support, query, counts, links):
    """Prepare and answer B episodes: support (B, S, ...), query (B, ...), counts (B,), B links or none at all."""
    links = links or [torch.zeros(0, 2, dtype=torch.long)] * len(counts)
    return head.answer(head.prepare(support, Task(counts, links, [()] * len(counts))), query)


def labels(points, visible, support=None):
    """An `Episode` with what losses read: the query's points (B, K, 2), visible (B, K), and the supports'."""
    batch, slots = visible.shape
    image = torch.zeros(batch, 3, 1, 1, dtype=torch.uint8)
    if support is None:
        support = points[:, None], visible[:, None]
    return Episode(support_images=image[:, None], support_points=support[0], support_visible=support[1],
                   query_images=image, query_points=points, query_visible=visible,
                   num_keypoints=torch.full((batch,), slots))
