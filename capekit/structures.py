"""The data that flow through capekit: what a model is given and what it returns.

Notation: B episodes, S shots, K keypoint slots, L decoder layers, H x W crop pixels; x before y everywhere.
"""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor


def _pad_slots(tensor: Tensor, slots: int, dim: int) -> Tensor:
    """Zero-pad (False for bool) the keypoint dimension `dim` of a tensor to `slots`."""
    missing = slots - tensor.shape[dim]
    if missing == 0:
        return tensor
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat([tensor, tensor.new_zeros(shape)], dim)


@dataclass
class Task:
    """What is known about the categories of B support sets besides images; a head reads what it needs."""

    num_keypoints: Tensor
    """(B,) int64 number of keypoints of the category; further slots are padding."""
    links: list
    """B tensors (E, 2) int64: the category's skeleton, zero-based keypoint pairs; (0, 2) where it has none."""
    names: list
    """B tuples of keypoint names; () where the category names none."""


@dataclass
class Episode:
    """A batch of B episodes: S annotated support images and one query image each, of the same category.

    K is the largest keypoint count of the batch; slots from `num_keypoints[b]` on are padding, never visible.
    """

    support_images: Tensor
    """(B, S, 3, H, W) uint8 RGB crops as loaded; the model normalises them on its own device."""
    support_points: Tensor
    """(B, S, K, 2) float32 x, y divided by the crop's width and height: inside the crop where in [0, 1]."""
    support_visible: Tensor
    """(B, S, K) bool, labelled in that image. The coordinates of other keypoints are meaningless."""
    query_images: Tensor
    """(B, 3, H, W) uint8 RGB."""
    query_points: Tensor
    """(B, K, 2) float32, the ground truth; read by losses and metrics only."""
    query_visible: Tensor
    """(B, K) bool."""
    num_keypoints: Tensor
    """(B,) int64 number of keypoints of the category."""
    links: list = field(default_factory=list)
    """B tensors (E, 2) int64: the category's skeleton, zero-based keypoint pairs."""
    meta: list = field(default_factory=list)
    """B dicts, what metrics and figures need: `category_id`, `category`, `keypoint_names`, `instances` (supports, then
    query), `image_files`, `crop_to_image` (S + 1, 2, 3: crop pixels to image pixels), `bbox` (S + 1, 4: clipped x, y,
    w, h)."""

    def __len__(self) -> int:
        return len(self.query_images)

    @property
    def shots(self) -> int:
        """Supports per episode, S."""
        return self.support_images.shape[1]

    @property
    def task(self) -> Task:
        """What is known about the B categories besides images."""
        none = self.num_keypoints.new_zeros(0, 2)
        return Task(num_keypoints=self.num_keypoints, links=self.links or [none] * len(self),
                    names=[tuple(meta.get('keypoint_names', ())) for meta in self.meta] or [()] * len(self))

    def to(self, device, non_blocking: bool = False) -> 'Episode':
        """The same batch with every tensor, links included, on `device`."""
        def move(value):
            if isinstance(value, Tensor):
                return value.to(device, non_blocking=non_blocking)
            if isinstance(value, list) and value and isinstance(value[0], Tensor):
                return [move(item) for item in value]
            return value
        return Episode(**{f.name: move(getattr(self, f.name)) for f in fields(self)})

    def pin_memory(self) -> 'Episode':
        """Called by the data loader before a copy to a CUDA device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        pinned: dict = {name: value.pin_memory() if isinstance(value, Tensor) else value
                        for name, value in values.items()}
        return Episode(**pinned)

    @staticmethod
    def collate(episodes: list) -> 'Episode':
        """Concatenate batches along B, padding keypoint slots to the largest count: a data loader's `collate_fn`."""
        slots = max(episode.query_points.shape[1] for episode in episodes)
        slot_dims = dict(support_points=2, support_visible=2, query_points=1, query_visible=1)
        joined: dict = {}
        for f in fields(Episode):
            values = [getattr(episode, f.name) for episode in episodes]
            if f.name in slot_dims:
                values = [_pad_slots(value, slots, slot_dims[f.name]) for value in values]
            joined[f.name] = torch.cat(values) if isinstance(values[0], Tensor) else sum(values, [])
        return Episode(**joined)


@dataclass
class Prediction:
    """A head's answer for a batch of B queries."""

    points: Tensor
    """(B, K, 2) float32 x, y divided by the crop size, as in `Episode.query_points`."""
    scores: Tensor
    """(B, K) float32 confidence in [0, 1] of each point; comparable within one method only."""
    layers: Tensor | None = None
    """(L, B, K, 2) the points after each layer of an iterative head; the last one is `points`."""
    extras: dict = field(default_factory=dict)
    """What a loss or a figure may read, by name: similarity maps, heat maps, attention, proposals."""
