"""Which keypoint slots count: padding, and keypoints that some support does not see, are masked."""

import torch
from torch import Tensor


def seen_by_all(seen: Tensor, num_keypoints: Tensor) -> Tensor:
    """(B, S, K) bool, (B,) int64 -> (B, K) bool: the real slots that every support sees."""
    real = torch.arange(seen.shape[2], device=num_keypoints.device) < num_keypoints[:, None]
    return seen.all(1) & real


def masked_keys(mask: Tensor) -> Tensor:
    """(B, K) bool slots that count -> (B, K) bool, True where attention must not look.

    A sample without any slot that counts attends to its first one, so that softmax stays finite.
    """
    masked = ~mask
    masked[:, 0] &= mask.any(1)
    return masked
