"""Keypoint padding: categories with 8 to 68 keypoints brought to one number of slots (FMMP section 3.4), and the graph.

A keypoint is added on a link at lambda * start + (1 - lambda) * end (equation 8); supports and query share lambda, so
an added keypoint means the same place on the object in every image. Everything is batched and runs on the device of the
keypoint counts.

There are two variants. 'paper': the points of a link are chained in geometric order, and the chain replaces the link.
'release', what the published checkpoints were trained with: lambda rises from slot to slot, so the first point is the
one nearest the *end*, yet it is linked to the *start*; the chain is added to the link; an invisible keypoint is still
reached from its visible neighbours, though not expanded; the number of keypoints is the largest linked one + 1, so a
last keypoint without a link is overwritten.

Choices made only here:
- Invisible keypoints, which the paper does not mention, are left out of its graph.
- Uniform padding is the release's in both variants: floor((T - K) / E) points on each link, none if there are more
  links than free slots, and the rest is zero padding.
- A category without links gets zero padding, and every keypoint is its own only neighbour.
- A link given twice counts as two links when points are distributed, as in the original files, and as one in the graph;
  in 'paper' the chain of one replaces both. A link from a keypoint to itself carries points too, all at that keypoint,
  and adds nothing to the graph but their chain.
- A category with as many keypoints as slots is not padded; one with more is an error.
- A link with an invisible end still carries points, which are invisible and have no chain, so that a slot means the
  same in every image of an episode.
"""

import copy
import functools
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from capekit.choices import checked
from capekit.errors import CapekitError
from capekit.models.mixup import MixupDraws

Kind = Literal['zero', 'uniform', 'mixup']
Variant = Literal['release', 'paper']
MAX_SLOTS = 254  # a slot and "none" fit into a byte


@functools.cache
def _steps(slots: int) -> Tensor:
    """(T + 1, T + 1) float32, row n: the n lambdas that divide a link equally.

    By `linspace`, whose rounding is that of the released code, and on the CPU, so that all devices pad alike.
    """
    table = torch.zeros(slots + 1, slots + 1)
    for count in range(1, slots + 1):
        table[count, :count] = torch.linspace(0, 1, count + 2)[1:-1]
    return table


class Padding:
    """What each of T slots is, for B categories at once.

    Slots below a category's number of keypoints K are real. Then come the added points, link by link in ascending link
    number, then zero padding: points at 0, never visible.

    Args:
        kind: 'zero'; 'uniform', floor((T - K) / E) points on each of E links at equal steps, the rest zero; 'mixup',
            T - K points at drawn positions on drawn links.
        num_keypoints: (B,) int64.
        links: B tensors (E, 2) int64.
        slots: T.
        variant: 'release' or 'paper', see the module's docstring.
        draws: required for mixup.

    Attributes:
        counts: (B,) int64 K, after the variant's rule.
        link: (B, T) int64 number of the link that an added point is on, else -1.
        ratio: (B, T) float32 lambda of the added points, else 0.

    Raises:
        CapekitError: unknown kind or variant, too many slots, mixup without draws.
    """

    @checked
    def __init__(self, kind: Kind, num_keypoints: Tensor, links: list, slots: int, variant: Variant = 'release',
                 draws: MixupDraws | None = None):
        if slots > MAX_SLOTS:
            raise CapekitError(f'num_slots={slots}: at most {MAX_SLOTS}')
        if kind == 'mixup' and draws is None:
            raise CapekitError("keypoint padding: 'mixup' needs draws, see MixupDraws.draw")
        self.slots, self.variant = slots, variant
        device = num_keypoints.device
        self.links = torch.nn.utils.rnn.pad_sequence([pairs.to(device) for pairs in links], batch_first=True)
        self.num_links = torch.tensor([len(pairs) for pairs in links], device=device)
        given = torch.arange(self.links.shape[1], device=device) < self.num_links[:, None]  # (B, E)
        self.counts = num_keypoints
        if variant == 'release' and self.links.shape[1]:
            largest = self.links.masked_fill(~given[..., None], -1).amax((1, 2)) + 1
            self.counts = torch.where(self.num_links > 0, largest, num_keypoints)
        self.slot = torch.arange(slots, device=device)
        if kind == 'zero' or not self.links.shape[1]:
            self.link = torch.full((len(links), slots), -1, device=device)
            self.ratio = torch.zeros(len(links), slots, device=device)
        else:
            self.link, self.ratio = self._mixup(draws) if kind == 'mixup' and draws else self._uniform()
        self._graph(given)

    def _uniform(self) -> tuple:
        """`link` and `ratio` of uniform padding."""
        each = torch.div(self.slots - self.counts, self.num_links.clamp(min=1), rounding_mode='floor')
        each = each.clamp(min=0)[:, None]
        place = self.slot - self.counts[:, None]
        link = torch.div(place, each.clamp(min=1), rounding_mode='floor')
        added = (place >= 0) & (link < self.num_links[:, None]) & (each > 0)
        step = (place - link * each).masked_fill(~added, 0)
        if self.variant == 'paper':
            step = (each - 1 - step).masked_fill(~added, 0)
        ratio = _steps(self.slots).to(place.device)[each, step]
        return link.masked_fill(~added, -1), ratio.masked_fill(~added, 0)

    def _mixup(self, draws: MixupDraws) -> tuple:
        """`link` and `ratio` of mixup padding."""
        count = self.counts[:, None]
        place = self.slot - count
        added = (place >= 0) & (self.num_links[:, None] > 0)
        # Slot K + t gets the t-th smallest of the first T - K link numbers: real slots sort to the front as -1.
        drawn = draws.links.gather(1, place.clamp(min=0))
        link = drawn.masked_fill(~added, -1).sort(1).values
        # Within a link the slots' own lambdas are sorted; two stable sorts amount to one by (link, lambda).
        by_ratio = draws.ratios.argsort(dim=1, descending=self.variant == 'paper', stable=True)
        order = by_ratio.gather(1, link.gather(1, by_ratio).argsort(dim=1, stable=True))
        return link, draws.ratios.gather(1, order).masked_fill(~added, 0)

    def _graph(self, given: Tensor) -> None:
        """All edges that some image may have: the links, then the chains slot by slot, (B, E + 2T).

        `pairs` (B, E + 2T, 2), and whether each `exists` (B, E + 2T); then the graph's half-edges, all (B, 2 (E + 2T)),
        node by node, those of a node in edge order: `node`, `neighbour`, and `start`, where the node's ones begin.
        """
        batch, count = given.shape
        added = self.link >= 0
        first, last = added.clone(), added.clone()
        first[:, 1:] &= self.link[:, 1:] != self.link[:, :-1]
        last[:, :-1] &= self.link[:, :-1] != self.link[:, 1:]
        padded = F.pad(self.links, (0, 0, 0, 1))  # so that there is one to gather even without links
        self.ends = ends = padded.gather(1, self.link.clamp(min=0)[..., None].expand(-1, -1, 2))  # (B, T, 2)
        here = self.slot.expand(batch, -1)
        before = torch.stack((torch.where(first, ends[..., 0], (here - 1).clamp(min=0)), here), -1)
        after = torch.stack((here, ends[..., 1]), -1)
        self.pairs = torch.cat((self.links, torch.stack((before, after), 2).flatten(1, 2)), 1)
        self.exists = torch.cat((given, torch.stack((added, last), 2).flatten(1, 2)), 1)
        self.is_link = torch.arange(self.pairs.shape[1], device=given.device) < count
        a, b = self.pairs.unbind(-1)
        low, high = torch.minimum(a, b), torch.maximum(a, b)
        key = low * self.slots + high  # equal pairs, in either direction, are one edge of the graph
        if self.variant == 'paper':  # a link that carries points is replaced by its chain, however often it is given
            carries = torch.zeros(batch, count + 1, dtype=torch.bool, device=given.device)
            carries = carries.scatter(1, self.link % (count + 1), True)[:, None, :count]
            self.exists[:, :count] &= ~(carries & (key[:, :count, None] == key[:, None, :count])).any(-1)

        # Of equal pairs the first is the edge; a pair of equal ends is none.
        key, place = torch.where(self.exists, key, -1).sort(dim=1, stable=True)
        again = F.pad(key[:, 1:] == key[:, :-1], (1, 0))
        edge = self.exists & (low != high) & ~torch.zeros_like(again).scatter(1, place, again)

        # Of [a, b], b gains a, then a gains b.
        node = self.pairs.flip(-1).masked_fill(~edge[..., None], self.slots).flatten(1)
        self.node, order = node.sort(dim=1, stable=True)
        position = torch.arange(node.shape[1], device=node.device).expand(batch, -1)
        same = F.pad(self.node[:, 1:] == self.node[:, :-1], (1, 0))
        self.start = position.masked_fill(same, 0).cummax(1).values
        self.neighbour = self.pairs.flatten(1).gather(1, order)
        self.unconditional = (self.is_link.repeat_interleave(2)[order] if self.variant == 'release'
                              else torch.zeros_like(same))

    def __len__(self) -> int:
        """B."""
        return len(self.counts)

    def repeat(self, times: int) -> 'Padding':
        """The same for B * `times` categories, each repeated `times` times in succession."""
        repeated = copy.copy(self)
        for name, value in vars(self).items():
            if name not in ('slot', 'is_link') and isinstance(value, Tensor):
                setattr(repeated, name, value.repeat_interleave(times, 0))
        return repeated

    def pad(self, points: Tensor, visible: Tensor) -> tuple:
        """Points and visibility of all slots, in one or several images per category.

        Args:
            points: (B, K', 2) or (B, S, K', 2) with K' >= K slots; what padding holds does not matter.
            visible: (B, K') or (B, S, K') bool.

        Returns:
            points (B, T, 2) or (B, S, T, 2), equation 8; visible (B, T) or (B, S, T), added points if both ends are.

        Raises:
            CapekitError: more keypoints than slots.
        """
        given = points.shape[-2]
        if given > self.slots:
            raise CapekitError(f'{given} keypoints do not fit into {self.slots} slots; set num_slots={given} or more')
        shape = points.shape[:-2]

        def per_image(value: Tensor) -> Tensor:
            """(B, ...) -> (B, S, ...) if there is an S."""
            return value if len(shape) == 1 else value[:, None].expand(-1, shape[1], *value.shape[1:])

        points = F.pad(points, (0, 0, 0, self.slots - given))
        visible = F.pad(visible, (0, self.slots - given))
        added, ratio = per_image(self.link >= 0), per_image(self.ratio)[..., None]
        start, end = per_image(self.ends).unbind(-1)
        index = start[..., None].expand(*start.shape, 2), end[..., None].expand(*end.shape, 2)
        mixed = ratio * points.gather(-2, index[0]) + (1 - ratio) * points.gather(-2, index[1])
        real = per_image(self.slot < self.counts[:, None])
        points = torch.where(added[..., None], mixed, points.masked_fill(~real[..., None], 0))
        visible = torch.where(added, visible.gather(-1, start) & visible.gather(-1, end), visible & real)
        return points, visible

    def edges(self, visible: Tensor) -> list:
        """B lists of [a, b], each of one image, `visible` (B, T): links in their order, then chains."""
        seen = visible.gather(1, self.pairs.flatten(1)).unflatten(1, (-1, 2)).all(-1)
        there = self.exists & (seen | (self.is_link if self.variant == 'release' else False))
        return [pairs[mask].tolist() for pairs, mask in zip(self.pairs, there, strict=True)]

    def breadth_first(self, visible: Tensor, count: int = 8) -> Tensor:
        """The first `count` keypoints that breadth-first search reaches from each one, itself the first.

        Neighbours are visited in edge order; if fewer than `count` are reached, the keypoint itself fills the rest. An
        invisible keypoint has no neighbours; for whether it can be one, see the module's docstring.

        Args:
            visible: (B, S, T) bool of `pad`.
            count: M.

        Returns:
            (B, S, T, M) int64 slots.
        """
        batch, shots, slots = visible.shape
        neighbours = self._neighbours(visible, count - 1)  # (B S, T + 1, M - 1)
        # One queue per slot of an image, R = B S T in all. They are the last axis, so that an operation runs along all
        # of them; bytes (slot + 1, 0 = free) and products are a dozen times faster here than int64 and where().
        image = torch.arange(batch * shots, device=visible.device)[:, None]
        base = (image * (slots + 1)).expand(-1, slots).flatten()
        itself = (self.slot + 1).to(torch.uint8).repeat(batch * shots)
        queue = torch.cat((itself[None], neighbours[:, 1:].flatten(0, 1).T))
        last = queue[1:].ne(0).sum(0, dtype=torch.uint8)  # index of the last one
        place = torch.arange(count, device=visible.device, dtype=torch.uint8)[:, None].expand_as(queue).contiguous()
        neighbours = neighbours.flatten(0, 1)
        for head in range(1, count - 1):
            found = neighbours.index_select(0, base + queue[head]).T.contiguous()
            # "No neighbour" is never new where a place is free, and nothing is stored where none is.
            new = (found[:, None] != queue).view(torch.uint8).amin(1)
            goes_to = last + new.cumsum(0, dtype=torch.uint8)
            arrived = (found * new)[:, None] * (goes_to[:, None] == place).view(torch.uint8)
            queue = torch.maximum(queue, arrived.amax(0))
            last = goes_to[-1].clamp(max=count)
        queue = torch.where(queue == 0, itself, queue) - 1
        return queue.T.reshape(batch, shots, slots, count).long()

    def _neighbours(self, visible: Tensor, count: int) -> Tensor:
        """(B S, T + 1, count) uint8: slot + 1 of a slot's first neighbours, 0 for none, in row slot + 1.

        Row 0 belongs to no slot. A search that keeps `count` + 1 keypoints never looks further down a list.
        """
        batch, shots, slots = visible.shape

        def per_image(value: Tensor) -> Tensor:
            return value[:, None].expand(-1, shots, -1)

        seen = F.pad(visible, (0, 1))  # half-edges of no slot belong to node T
        kept = seen.gather(2, per_image(self.node)) & (
            seen.gather(2, per_image(self.neighbour)) | self.unconditional[:, None])
        before = kept.cumsum(2) - kept.long()
        rank = before - before.gather(2, per_image(self.start))
        kept &= rank < count
        result = torch.zeros(batch, shots, (slots + 1) * count, dtype=torch.uint8, device=visible.device)
        # Whatever is not kept lands in row 0, as 0.
        target = ((self.node[:, None] + 1) * count + rank).masked_fill_(~kept, 0)
        value = (self.neighbour[:, None] + 1).to(torch.uint8) * kept.view(torch.uint8)
        return result.scatter_(2, target, value).view(-1, slots + 1, count)
