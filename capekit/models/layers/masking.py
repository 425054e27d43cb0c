"""Softmax and mean over some of the entries; finite, with finite gradients, even if there are none."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, valid: Tensor, dim: int = -1) -> Tensor:
    """Softmax over the entries where `valid` (bool, broadcast); the others are 0, and all are if none is valid."""
    scores = scores.masked_fill(~valid, torch.finfo(scores.dtype).min)
    return scores.softmax(dim) * valid


def masked_mean(values: Tensor, valid: Tensor, dim: int) -> Tensor:
    """Mean over the entries where `valid` (bool, same shape or broadcast); 0 if there are none."""
    weight = valid.to(values.dtype)
    return (values * weight).sum(dim) / weight.expand_as(values).sum(dim).clamp(min=1)
