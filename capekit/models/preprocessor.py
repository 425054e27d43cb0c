"""What happens to an episode on the device before a network sees it."""

from collections.abc import Sequence
from typing import Annotated

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from capekit.choices import Length, Positive, checked
from capekit.registry import MODELS
from capekit.structures import Episode


@MODELS.register_module()
class CapePreprocessor(BaseDataPreprocessor):
    """Moves an episode to the device and normalises its images there, not in a data loader worker.

    Args:
        mean, std: of RGB in 0..255, one value per channel; ImageNet's by default.
    """

    @checked
    def __init__(self, mean: Annotated[Sequence[float], Length(3)] = (123.675, 116.28, 103.53),
                 std: Annotated[Sequence[Positive], Length(3)] = (58.395, 57.12, 57.375)):
        super().__init__(non_blocking=True)
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, episode: Episode, training: bool = False) -> dict:
        """-> keyword arguments of the estimator's forward."""
        return dict(episode=episode.to(self.device, non_blocking=True))

    def normalise(self, images: Tensor) -> Tensor:
        """(..., 3, H, W) uint8 RGB -> float32, zero mean and unit variance per channel."""
        return (images.float() - self.mean) / self.std
