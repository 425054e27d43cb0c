"""What a model costs, counted by torch: matrix products, convolutions and attention, a multiplication and its addition
as two. What is elementwise (activations, normalisation, interpolation) is not counted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
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
    with wanting_no_gradient(estimator):
        return counted(lambda: estimator(blank_episode(size, keypoints, shots), mode='predict'))[1]


def counted(function: Callable) -> tuple:
    """(what `function()` returns, FLOPs)."""
    # Of torch's attention kernels the counter knows those of GPUs and the plain one, not that of CPUs.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = function()
    return result, counter.get_total_flops()


@contextmanager
def wanting_no_gradient(model: nn.Module) -> Iterator[None]:
    """No parameter of `model` wants a gradient: the counter expects a graph behind whatever does."""
    wanting = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanting:
            parameter.requires_grad_()


def blank_episode(size: int, keypoints: int, shots: int = 1) -> Episode:
    """One episode of black images whose keypoints lie in the middle, linked in a chain."""
    images = torch.zeros(1, shots, 3, size, size, dtype=torch.uint8)
    points, seen = torch.full((1, shots, keypoints, 2), 0.5), torch.ones(1, shots, keypoints, dtype=torch.bool)
    links = torch.stack((torch.arange(keypoints - 1), torch.arange(1, keypoints)), 1)
    return Episode(support_images=images, support_points=points, support_visible=seen, query_images=images[:, 0],
                   query_points=points[:, 0], query_visible=seen[:, 0], num_keypoints=torch.tensor([keypoints]),
                   links=[links], meta=[{}])


def prepared(estimator, episode: Episode) -> dict:
    """The state that the supports of a batch of one episode give."""
    support = estimator.encode_support(episode.support_images[0], episode.support_points[0],
                                       episode.support_visible[0])
    return estimator.prepare({name: value[None] for name, value in support.items()}, episode.task)
