"""A category's links: as matrices, and what stands in for them where a category has none."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import torch
from mmengine.logging import print_log
from torch import Tensor

from capekit.structures import Task

MissingLinks = Literal['none', 'spanning_tree']
MissingEdges = Literal['predicted', 'spanning_tree']


def linked(task: Task, points: Tensor, seen: Tensor, choice: MissingLinks | MissingEdges, owner: str) -> Task:
    """A task whose categories without links get some, by choice; says once per kind of category that it does.

    Args:
        task: of B categories.
        points: (B, S, K, 2) normalised support keypoints; read only where seen.
        seen: (B, S, K) bool.
        choice: 'none' and 'predicted' (by the head itself) leave them without; 'spanning_tree': the shortest tree over
            the keypoints that some support sees, each at its mean place.
        owner: who asks, for the log.
    """
    bare = [number for number, links in enumerate(task.links) if not len(links)]
    if not bare:
        return task
    for number in bare:
        _announce(owner, choice, int(task.num_keypoints[number]), task.names[number])
    if choice != 'spanning_tree':
        return task
    weight = seen[..., None].to(points.dtype)
    places = (points.masked_fill(~seen[..., None], 0) * weight).sum(1) / weight.sum(1).clamp(min=1)
    links = list(task.links)
    for number in bare:
        chosen = seen[number].any(0)[:int(task.num_keypoints[number])].nonzero()[:, 0]
        links[number] = chosen[spanning_tree(places[number, chosen])]
    return dataclasses.replace(task, links=links)


@functools.cache
def _announce(owner: str, choice: str, count: int, names: tuple) -> None:
    of = f'{count} keypoints' + (f' ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})' if names else '')
    what = dict(none='it stays without', predicted='the head predicts them',
                spanning_tree='the shortest tree over the support keypoints stands in')[choice]
    print_log(f'{owner}: a category of {of} has no links; missing_links={choice!r}: {what}', 'current')


def spanning_tree(points: Tensor) -> Tensor:
    """The shortest tree over points (N, 2): N - 1 links, int64; (0, 2) for a single point or none."""
    distance = torch.cdist(points.double(), points.double(), compute_mode='donot_use_mm_for_euclid_dist')
    links, reached = [], [0]
    left = list(range(1, len(points)))
    while left:  # Prim's: the nearest point to those reached
        best = int(distance[reached][:, left].argmin())
        start, end = reached[best // len(left)], left[best % len(left)]
        links.append([start, end])
        reached.append(end)
        left.remove(end)
    return torch.tensor(links, dtype=torch.long, device=points.device).reshape(-1, 2)


def link_matrix(links: Sequence[Tensor], counted: Tensor) -> Tensor:
    """Adjacency of B skeletons; a link that is listed twice or in both directions counts once.

    Args:
        links: B tensors (E, 2) int64, zero-based; a link of a keypoint with itself sets the diagonal.
        counted: (B, K) bool; the links of other keypoints are left out.

    Returns:
        (B, K, K) float32, 0 or 1, symmetric.
    """
    matrix = torch.zeros(*counted.shape, counted.shape[1], device=counted.device)
    for linked, edges in zip(matrix, links, strict=True):
        start, end = edges.to(counted.device).unbind(1)
        linked[start, end] = linked[end, start] = 1
    return matrix * (counted[:, :, None] & counted[:, None])


def powers_of(matrix: Tensor, highest: int) -> Tensor:
    """(B, K, K) -> (B, highest + 1, K, K): the identity and the powers of the matrix, its rows divided by their sum."""
    step = normalise_rows(matrix)
    powers = [torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)]
    for _ in range(highest):
        powers.append(powers[-1] @ step)
    return torch.stack(powers, 1)


def normalise_rows(matrix: Tensor) -> Tensor:
    """(..., K, K) weights, none below 0, with every row divided by its sum; a row of zeros stays."""
    return matrix / (matrix.sum(-1, keepdim=True) + 1e-8)
