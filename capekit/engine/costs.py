"""What a model costs, counted by torch: matrix products, convolutions and attention, a multiplication and its addition
as two.
"""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from capekit.structures import Episode


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(estimator, size: int, keypoints: int, shots: int = 1) -> int:
    """FLOPs of one query and its supports, from crops to points.

    Args:
        estimator: answers an `Episode`.
        size: side of the crops, in pixels.
        keypoints: of the category, whose links are a chain.
        shots: supports.
    """
    with FlopCounterMode(display=False) as counter:
        estimator(_episode(size, keypoints, shots), mode='predict')
    return counter.get_total_flops()


def _episode(size: int, keypoints: int, shots: int) -> Episode:
    images, points = torch.zeros(1, 3, size, size, dtype=torch.uint8), torch.full((1, keypoints, 2), 0.5)
    seen = torch.ones(1, keypoints, dtype=torch.bool)
    links = torch.stack((torch.arange(keypoints - 1), torch.arange(1, keypoints)), 1)
    supports = [value[:, None].expand(1, shots, *value.shape[1:]).clone() for value in (images, points, seen)]
    return Episode(support_images=supports[0], support_points=supports[1], support_visible=supports[2],
                   query_images=images, query_points=points, query_visible=seen,
                   num_keypoints=torch.tensor([keypoints]), links=[links], meta=[{}])
