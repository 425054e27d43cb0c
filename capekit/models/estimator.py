"""The estimator every method shares: images to feature maps, feature maps to a head's answer."""

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from capekit.errors import CapekitError
from capekit.models.backbones import build_backbone, build_preprocessor
from capekit.registry import MODELS, find_option
from capekit.structures import Episode, Prediction

MODES = ('loss', 'predict', 'tensor')


class EpisodeEstimator(BaseModel):
    """What every estimator does with a batch of episodes; a subclass says how it answers and what it is held to."""

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

    def _predict(self, episode: Episode) -> Prediction:
        raise NotImplementedError

    def _loss(self, episode: Episode) -> dict:
        raise NotImplementedError


@MODELS.register_module()
class CapeEstimator(EpisodeEstimator):
    """A backbone and a head.

    `encode` sees single images and never an episode: that is what lets evaluation encode each image once, however
    many episodes it is in. What the encoded images mean to each other is the head's business (`models/heads`).

    Args:
        backbone: config of a module (N, 3, H, W) -> list of feature maps, fine to coarse.
        head: config of a head, see `models/heads/__init__.py`; its `in_channels` are the backbone's.
        support_backbone: config of a second network for the supports; None shares `backbone`.
        data_preprocessor: config; normalises images on the device, by the mean and std that the backbones want.
        image_size: side of the crops in pixels, which the backbones are made for; None = their own.
    """

    def __init__(self, backbone: dict, head: dict, support_backbone: dict | None = None,
                 data_preprocessor: dict | None = None, image_size: int | None = None):
        networks = [build_backbone(config, image_size) for config in (backbone, support_backbone) if config]
        super().__init__(data_preprocessor, image_size, *networks)
        self.backbone = networks[0]
        self.support_backbone = networks[1] if support_backbone else None
        self.head = MODELS.build(self._with_channels(head))

    def _with_channels(self, head: dict) -> dict:
        """The head's config with the backbone's `channels` as `in_channels`, where the head asks for them."""
        if find_option(MODELS, head, 'in_channels') is None:
            return head
        stated = head.get('in_channels')
        channels = getattr(self.backbone, 'channels', stated)
        if channels is None:
            raise CapekitError(f'{type(self.backbone).__name__} does not say what `channels` its maps have, fine to '
                               'coarse; state them as model.head.in_channels')
        if stated is not None and tuple(np.atleast_1d(stated)) != tuple(channels):
            raise CapekitError(f'model.head.in_channels={stated}: the backbone gives {channels}; leave in_channels out')
        return dict(head, in_channels=tuple(channels))

    def encode(self, images: Tensor, points: Tensor, visible: Tensor) -> tuple:
        """What the head keeps of N images, should they serve as supports and should they serve as queries.

        Args:
            images: (N, 3, H, W) uint8 RGB.
            points: (N, K, 2) normalised keypoints.
            visible: (N, K) bool.

        Returns:
            two dicts of tensors with N in front: support features, query features.
        """
        images = self.data_preprocessor.normalise(images)
        maps = self.backbone(images)
        support_maps = self.support_backbone(images) if self.support_backbone else maps
        return self.head.encode_support(support_maps, points, visible), self.head.encode_query(maps)

    def encode_support(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """Support features of N images, dict of tensors (N, ...); arguments as in `encode`."""
        maps = (self.support_backbone or self.backbone)(self.data_preprocessor.normalise(images))
        return self.head.encode_support(maps, points, visible)

    def encode_query(self, images: Tensor) -> dict:
        """Query features of N images (N, 3, H, W) uint8 RGB, dict of tensors (N, ...)."""
        return self.head.encode_query(self.backbone(self.data_preprocessor.normalise(images)))

    def _predict(self, episode: Episode) -> Prediction:
        batch, shots = episode.support_images.shape[:2]
        support_images = episode.support_images.flatten(0, 1)
        support_points, support_visible = episode.support_points.flatten(0, 1), episode.support_visible.flatten(0, 1)
        if self.support_backbone is None:
            # One pass: BatchNorm sees supports and queries together.
            images = torch.cat((support_images, episode.query_images))
            maps = self.backbone(self.data_preprocessor.normalise(images))
            support = self.head.encode_support([m[:batch * shots] for m in maps], support_points, support_visible)
            query = self.head.encode_query([m[batch * shots:] for m in maps])
        else:
            support = self.encode_support(support_images, support_points, support_visible)
            query = self.encode_query(episode.query_images)
        support = {name: value.unflatten(0, (batch, shots)) for name, value in support.items()}
        return self.head(support, query, episode.num_keypoints, episode.links)

    def _loss(self, episode: Episode) -> dict:
        return self.head.loss(self._predict(episode), episode.query_points, episode.query_visible)
