"""A category's prior structure: how much keypoint i listens to keypoint j, predicted from the support (SDPNet, 3.3).

The three predictors of table 3 return (B, K, K), softmaxes over each row; rows and columns of keypoints that are not
`valid` are 0. They differ only in how a strength is predicted. Rows sum to 1, or to the number of embedding spaces.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from .masking import masked_mean, masked_softmax

Sparsity = Literal['balanced', 'l1']
SpaceReduction = Literal['sum', 'mean']


def _rows(strengths: Tensor, valid: Tensor) -> Tensor:
    """Strengths (B, ..., K, K) -> softmax over the valid keypoints j, in the rows of valid keypoints i."""
    shape = (len(valid), *[1] * (strengths.dim() - 3))
    return masked_softmax(strengths, valid.view(*shape, 1, -1)) * valid.view(*shape, -1, 1)


class AttentionStructure(nn.Module):
    """Scaled inner products in several embedding spaces (equation 3, "multi-head attention").

    Args:
        channels: C of the tokens.
        spaces: embedding spaces; they divide C.
        reduction: over the spaces: 'sum', as in equation 3, so that rows sum to `spaces`; 'mean', so that they sum to 1
            however many there are. A stage of two graph convolutions starts `spaces` squared times weaker with it.
    """

    def __init__(self, channels: int, spaces: int, reduction: SpaceReduction = 'sum'):
        super().__init__()
        self.spaces, self.reduction = spaces, reduction
        self.theta = nn.Linear(channels, channels, bias=False)
        self.phi = nn.Linear(channels, channels, bias=False)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """tokens (B, K, C), valid (B, K) bool -> (B, K, K)."""
        theta, phi = (linear(tokens).unflatten(-1, (self.spaces, -1)).transpose(1, 2)  # (B, spaces, K, C / spaces)
                      for linear in (self.theta, self.phi))
        strengths = theta @ phi.transpose(-2, -1) / theta.shape[-1] ** 0.5
        rows = _rows(strengths, valid)
        return rows.sum(1) if self.reduction == 'sum' else rows.mean(1)  # equation 3


class ConcatenationStructure(nn.Module):
    """A strength for each pair of keypoints from their concatenated features.

    The paper names one fully connected layer. On its own, under a softmax, it would give all keypoints the same row
    (the part from i is the same for every j), so a hidden layer precedes it.
    """

    def __init__(self, channels: int):
        super().__init__()
        # A linear layer on [i, j] is the sum of one on i and one on j: no (K, K, 2 C) array is needed.
        self.first = nn.Linear(channels, channels)
        self.second = nn.Linear(channels, channels, bias=False)
        self.strength = nn.Linear(channels, 1, bias=False)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """As `AttentionStructure`."""
        pairs = (self.first(tokens)[:, :, None] + self.second(tokens)[:, None]).relu()  # (B, K, K, C)
        return _rows(self.strength(pairs)[..., 0], valid)


class GlobalStructure(nn.Module):
    """All strengths at once, from the mean of the keypoints' features; those of slots beyond K are not used."""

    def __init__(self, channels: int, num_slots: int):
        super().__init__()
        self.num_slots = num_slots
        self.strengths = nn.Linear(channels, num_slots ** 2)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """As `AttentionStructure`."""
        strengths = self.strengths(masked_mean(tokens, valid[..., None], 1)).unflatten(-1, (self.num_slots, -1))
        slots = tokens.shape[1]
        return _rows(strengths[:, :slots, :slots], valid)


def structure_edges(structure: Tensor) -> Tensor:
    """(B, K, K) -> bool: the pairs that a structure connects, with at least half the strength of their row's strongest.

    A keypoint that listens only to itself has no edge; one that listens to all alike has an edge to each.
    """
    strong = (structure > 0) & (structure >= 0.5 * structure.amax(-1, keepdim=True))
    return strong & ~torch.eye(structure.shape[-1], dtype=torch.bool, device=structure.device)


def edge_density(structure: Tensor, valid: Tensor) -> Tensor:
    """(B, K, K), (B, K) bool -> (B,): the share of the ordered pairs of different valid keypoints that are edges."""
    count = valid.sum(1)
    return structure_edges(structure).sum((1, 2)) / (count * (count - 1)).clamp(min=1)


def shares(structure: Tensor) -> Tensor:
    """(B, K, K) -> the same, every row divided by its sum: how much of its attention i gives to j."""
    return structure / structure.sum(-1, keepdim=True).clamp(min=torch.finfo(structure.dtype).tiny)


def sparsity(structure: Tensor, valid: Tensor, form: Sparsity = 'balanced') -> Tensor:
    """Equation 8, in the paper's form or in one that has an effect: the mean over the pairs of valid keypoints.

    Either form reads the `shares` A of a structure, whatever its rows sum to. They are positive and sum to 1, so 'l1',
    the mean of |A_ij| as in the paper, is 1 / K whatever the structure and has no gradient.

    'balanced' is the mean of sqrt(A_ij * B_j), where B_j is how much all keypoints together listen to j. It is smallest
    if each keypoint listens to one other and is listened to by one: 1 / K, against 1 / sqrt(K) if all listen to all
    alike. Two structures that are sparse and say nothing are about as bad as the latter. If all listen to the same
    keypoint, which without B_j would be the quickest way down, its B_j is K. If each listens to itself alone, the
    identity, nothing is passed on: what a keypoint gives to itself counts as if given to all others alike.

    Returns:
        (B,).
    """
    strength = shares(structure)
    pairs = valid[:, :, None] & valid[:, None]
    if form == 'balanced':
        own = strength.diagonal(dim1=-2, dim2=-1)[..., None]
        others = pairs & ~torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
        strength = (strength + own / others.sum(-1, keepdim=True).clamp(min=1)) * others
        # The root's slope is infinite at 0: the small offset keeps its product with the softmax's slope finite.
        strength = (strength * strength.sum(1, keepdim=True) + 1e-6).sqrt()
    return (strength * pairs).sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)  # equation 8
