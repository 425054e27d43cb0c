"""The estimator that every method shares: images to feature maps, feature maps to a head's answer."""

from typing import Literal

import numpy as np
import torch
from mmengine.dist import all_reduce_dict
from mmengine.model import BaseModel
from torch import Tensor, nn

from capekit.choices import Size, checked
from capekit.errors import CapekitError
from capekit.models.backbones import build_backbone, build_preprocessor
from capekit.registry import MODELS, find_option
from capekit.structures import Episode, Prediction, Task

MODES = ('loss', 'predict', 'tensor')


class EpisodeEstimator(BaseModel):
    """One path from supports to answers, for training, tests and users.

    `encode_support` and `encode_query` see single images, never an episode; `prepare` builds a state from support sets,
    once; `answer` answers any number of queries from it. A subclass defines how, and its loss.
    """

    def __init__(self, data_preprocessor: dict | None, image_size: int | None, *backbones: nn.Module):
        super().__init__(data_preprocessor=build_preprocessor(data_preprocessor, *backbones))
        self.image_size = image_size

    def forward(self, episode: Episode, mode: str = 'tensor') -> dict | Prediction:
        """Answer a batch of episodes.

        Args:
            episode: B episodes.
            mode: 'loss' -> dict of named scalars; those whose name contains `loss` add up to the objective.
                'predict' -> `Prediction` without gradient. 'tensor' -> `Prediction` with gradient.
        """
        if mode not in MODES:
            raise CapekitError(f'mode {mode!r} is not one of {", ".join(MODES)}')
        with torch.set_grad_enabled(torch.is_grad_enabled() and mode != 'predict'):
            episode = episode.to(self.data_preprocessor.device)
            return self._loss(episode) if mode == 'loss' else self._predict(episode)

    def parse_losses(self, losses: dict) -> tuple[Tensor, dict]:
        """As mmengine's: the objective of this process; what is logged is the mean over all processes."""
        objective, logged = super().parse_losses(losses)
        logged = {name: value.detach() for name, value in logged.items()}
        all_reduce_dict(logged, 'mean')
        return objective, logged

    def _dump_init_info(self) -> None:
        """Nothing: mmengine would print four lines for every parameter where there is no log file yet."""

    def encode_support(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """Features of N support images.

        Args:
            images: (N, 3, H, W) uint8 RGB.
            points: (N, K, 2) normalised keypoints.
            visible: (N, K) bool.

        Returns:
            dict of tensors (N, ...).
        """
        raise NotImplementedError

    def encode_query(self, images: Tensor) -> dict:
        """Features of N query images (N, 3, H, W) uint8 RGB: dict of tensors (N, ...)."""
        raise NotImplementedError

    def encode(self, images: Tensor, points: Tensor, visible: Tensor) -> tuple[dict, dict]:
        """Both, for images that may serve as supports and as queries; arguments as in `encode_support`."""
        return self.encode_support(images, points, visible), self.encode_query(images)

    def prepare(self, support: dict, task: Task) -> dict:
        """Everything that depends on B support sets alone.

        Args:
            support: result of `encode_support`, with (B, S, ...) in front.
            task: of the B categories.

        Returns:
            dict: tensors (B, ...), and other values that have a length and `repeat(times)`.
        """
        raise NotImplementedError

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B * Q queries, Q in succession for each of the B support sets of `state`.

        Args:
            state: result of `prepare`.
            query: result of `encode_query`, with (B * Q, ...) in front.

        Returns:
            Prediction: with B * Q rows.
        """
        raise NotImplementedError

    def _encode_episode(self, episode: Episode) -> tuple[dict, dict]:
        """Support features (B, S, ...) and query features (B, ...)."""
        support = self.encode_support(episode.support_images.flatten(0, 1), episode.support_points.flatten(0, 1),
                                      episode.support_visible.flatten(0, 1))
        return _by_episode(support, episode), self.encode_query(episode.query_images)

    def _predict(self, episode: Episode) -> Prediction:
        support, query = self._encode_episode(episode)
        return self.answer(self.prepare(support, episode.task), query)

    def _loss(self, episode: Episode) -> dict:
        raise NotImplementedError


def _by_episode(support: dict, episode: Episode) -> dict:
    """(B * S, ...) -> (B, S, ...)."""
    return {name: value.unflatten(0, (len(episode), episode.shots)) for name, value in support.items()}


def per_query(state: dict, rows: int) -> dict:
    """A state of B support sets, each repeated Q times in succession: one of `rows` = B * Q queries."""
    def repeat(value):
        times = rows // len(value)
        if times == 1:
            return value
        return value.repeat_interleave(times, 0) if isinstance(value, Tensor) else value.repeat(times)
    return {name: repeat(value) for name, value in state.items()}


@MODELS.register_module()
class CapeEstimator(EpisodeEstimator):
    """A backbone and a head; how encoded images are compared is the head's business (`models/heads`).

    Args:
        backbone: config of a module (N, 3, H, W) -> list of feature maps, fine to coarse.
        head: config of a head, see `models/heads/__init__.py`; its `in_channels` are the backbone's.
        support_backbone: config of a second network for the supports; None shares `backbone`.
        backbone_passes: in training, 'per_shot' (default, as released): the queries, the first shots, the second shots
            and so on, B images each, pass through the backbone apart, so that BatchNorm normalises each of them with
            its own statistics; 'joint': all images of a network in one pass. In eval mode both are the same.
        data_preprocessor: config; normalises images on the device, with the mean and std that the backbones expect.
        image_size: side of the crops in pixels, which the backbones are built for; None = their own.
    """

    @checked
    def __init__(self, backbone: dict, head: dict, support_backbone: dict | None = None,
                 backbone_passes: Literal['per_shot', 'joint'] = 'per_shot', data_preprocessor: dict | None = None,
                 image_size: Size | None = None):
        networks = [build_backbone(config, image_size) for config in (backbone, support_backbone) if config]
        super().__init__(data_preprocessor, image_size, *networks)
        self.backbone = networks[0]
        self.support_backbone = networks[1] if support_backbone else None
        self.backbone_passes = backbone_passes
        self.head = MODELS.build(self._with_channels(head))

    def _with_channels(self, head: dict) -> dict:
        """The head's config with the backbone's `channels` as `in_channels`, if the head takes them."""
        if find_option(MODELS, head, 'in_channels') is None:
            return head
        stated = head.get('in_channels')
        channels = getattr(self.backbone, 'channels', stated)
        if channels is None:
            raise CapekitError(f'{type(self.backbone).__name__} does not state the `channels` of its maps, fine to '
                               'coarse; state them as model.head.in_channels')
        if stated is not None and tuple(np.atleast_1d(stated)) != tuple(channels):
            raise CapekitError(f'model.head.in_channels={stated}: the backbone has {channels}; leave in_channels out')
        return dict(head, in_channels=tuple(channels))

    def encode_support(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """As `EpisodeEstimator.encode_support`."""
        maps = (self.support_backbone or self.backbone)(self.data_preprocessor.normalise(images))
        return self.head.encode_support(maps, points, visible)

    def encode_query(self, images: Tensor) -> dict:
        """As `EpisodeEstimator.encode_query`."""
        return self.head.encode_query(self.backbone(self.data_preprocessor.normalise(images)))

    def encode(self, images: Tensor, points: Tensor, visible: Tensor) -> tuple[dict, dict]:
        """Support and query features of the same N images; a network shared by both runs once."""
        if self.support_backbone is not None:
            return super().encode(images, points, visible)
        maps = self.backbone(self.data_preprocessor.normalise(images))
        if hasattr(self.head, 'encode'):
            return self.head.encode(maps, points, visible)
        return self.head.encode_support(maps, points, visible), self.head.encode_query(maps)

    def prepare(self, support: dict, task: Task) -> dict:
        """As `EpisodeEstimator.prepare`."""
        return self.head.prepare(support, task)

    def answer(self, state: dict, query: dict) -> Prediction:
        """As `EpisodeEstimator.answer`."""
        return self.head.answer(per_query(state, len(next(iter(query.values())))), query)

    def _encode_episode(self, episode: Episode) -> tuple[dict, dict]:
        supports, queries = self._maps(episode)
        support = self.head.encode_support(supports, episode.support_points.flatten(0, 1),
                                           episode.support_visible.flatten(0, 1))
        return _by_episode(support, episode), self.head.encode_query(queries)

    def _maps(self, episode: Episode) -> tuple[list, list]:
        """Feature maps of the supports (B * S, ...) and of the queries (B, ...), see `backbone_passes`."""
        supports, queries = map(self.data_preprocessor.normalise, (episode.support_images, episode.query_images))
        if self.training and self.backbone_passes == 'per_shot':
            of_queries = self.backbone(queries)
            by_shot = [(self.support_backbone or self.backbone)(images) for images in supports.unbind(1)]
            return [torch.stack(shots, 1).flatten(0, 1) for shots in zip(*by_shot, strict=True)], of_queries
        supports = supports.flatten(0, 1)
        if self.support_backbone is not None:
            return self.support_backbone(supports), self.backbone(queries)
        maps = self.backbone(torch.cat((supports, queries)))
        return [m[:len(supports)] for m in maps], [m[len(supports):] for m in maps]

    def _loss(self, episode: Episode) -> dict:
        return self.head.loss(self._predict(episode), episode)
