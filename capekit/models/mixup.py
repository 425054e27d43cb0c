"""The random part of keypoint mixup (FMMP, section 3.4)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MixupDraws:
    """The random part of mixup padding; supports and query of an episode share it."""

    ratios: Tensor
    """(B, T) float32 lambda per slot."""
    links: Tensor
    """(B, T) int64 link numbers; the first T - K count, in any order."""

    @staticmethod
    def draw(links: list, slots: int, alpha: float = 1.0, generator: torch.Generator | None = None) -> 'MixupDraws':
        """Draw for B categories: lambda ~ Beta(alpha, alpha), link numbers uniform, with replacement.

        Args:
            links: B tensors (E, 2); the draws are on their device.
            slots: T.
            alpha: 1 is the uniform distribution.
            generator: of the draws, which are made on its device; None = PyTorch's own. With a generator all categories
                get the same draws, so that an answer does not depend on what else is in the batch.
        """
        device = generator.device if generator else links[0].device
        rows = len(links) if generator is None else 1
        concentration = torch.full((2, rows, slots), float(alpha), device=device)
        gamma = torch._standard_gamma(concentration, generator=generator)
        where = torch.rand(rows, slots, device=device, generator=generator)
        counts = torch.tensor([len(pairs) for pairs in links], device=device)[:, None]
        numbers = (where * counts).long().minimum((counts - 1).clamp(min=0))  # rounding may reach `counts`
        ratios = (gamma[0] / gamma.sum(0)).expand(len(links), -1)
        return MixupDraws(ratios.to(links[0].device), numbers.to(links[0].device))
