"""Estimators that learn within an episode: Fine-tune and MAML, baselines of the CAPE papers.

There is no released code. The papers (Xu et al., ECCV 2022, section 5.2) describe a heat-map network with as many
outputs as the largest category has keypoints, of which a category uses the first; pre-trained on the base categories,
or meta-trained for few steps; adapted on the supports of an episode before it predicts. What they leave open is chosen
and documented here.

BatchNorm uses its running statistics while a network adapts and afterwards: the answers of an episode then depend on
its own supports and query alone. One thing cannot be exact: adaptation sums over shots in order, so another order of
the shots changes the answers by rounding errors, which the steps amplify.
"""

import math
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.func import functional_call

from capekit.choices import Count, Positive, Size, checked
from capekit.errors import CapekitError
from capekit.models.backbones import build_backbone
from capekit.models.estimator import EpisodeEstimator
from capekit.models.layers import (
    Deconvolutions,
    Refinement,
    decode_heatmaps,
    gaussian_heatmaps,
    require_refinement,
    seen_by_all,
)
from capekit.models.losses import heatmap_mse
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


class HeatmapNetwork(BaseModule):
    """Simple Baselines: a backbone, three deconvolutions, one heat map per output.

    (N, 3, H, W) normalised -> (N, outputs, 8 h, 8 w), where h x w is the backbone's coarsest map.
    """

    def __init__(self, backbone: Any, decoder_channels: int, outputs: int):
        super().__init__()
        self.backbone = backbone
        self.decoder = Deconvolutions(backbone.channels[-1], decoder_channels, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Heat maps, see the class."""
        return self.decoder(self.backbone(images)[-1])


@contextmanager
def running_statistics(network: nn.Module):
    """BatchNorm normalises with its running statistics and does not update them."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


class AdaptingEstimator(EpisodeEstimator):
    """A heat-map network that is adapted to the supports of an episode; subclasses define how.

    No features are kept: the images themselves are passed on, and `prepare` learns from the supports.

    Args:
        backbone: config of a module (N, 3, H, W) -> list of feature maps, fine to coarse.
        decoder_channels: channels of the deconvolutions.
        max_keypoints: outputs of the network; 68 is MP-100's largest category.
        steps: adaptation steps.
        rate: learning rate of adaptation.
        refine: refinement of the decoded maxima, see `decode_heatmaps`.
        sigma: of the Gaussian targets, in cells.
        data_preprocessor: config; normalises images on the device, with the mean and std that the backbone expects.
        image_size: side of the crops in pixels, which the backbone is built for; None = its own.
    """

    def __init__(self, backbone: dict, decoder_channels: int, max_keypoints: int, steps: int, rate: float,
                 refine: Refinement, sigma: float, data_preprocessor: dict | None, image_size: int | None):
        require_refinement(refine, type(self).__name__)
        built = build_backbone(backbone, image_size)
        super().__init__(data_preprocessor, image_size, built)
        self.network = HeatmapNetwork(built, decoder_channels, max_keypoints)
        self.max_keypoints, self.steps, self.rate = max_keypoints, steps, rate
        self.refine, self.sigma = refine, sigma

    def encode_support(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """The arguments themselves: `images` (N, 3, H, W) uint8, `points` (N, K, 2), `visible` (N, K)."""
        return dict(images=images, points=points, visible=visible)

    def encode_query(self, images: Tensor) -> dict:
        """`images` (N, 3, H, W) uint8."""
        return dict(images=images)

    def prepare(self, support: dict, task: Task) -> dict:
        """Adapt once per support set: the adapted parameters by name (B, ...), `mask` (B, K) bool, and `support_errors`
        (B, 2), the error on the supports before and after, 1 where maps are empty.
        """
        adapted, errors = [], []
        with running_statistics(self.network):
            for row in range(len(task.num_keypoints)):
                supports = {name: value[row] for name, value in support.items()}
                adapted.append(self._adapt(**supports))
                with torch.no_grad():
                    errors.append(torch.stack([self._support_error(parameters, **supports) for parameters in (
                        dict(self.network.named_parameters()), adapted[-1])]))
        state = {name: torch.stack([parameters[name] for parameters in adapted]) for name in adapted[0]}
        return dict(state, mask=seen_by_all(support['visible'], task.num_keypoints),
                    support_errors=torch.stack(errors))

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B * Q queries, Q with each of the B adapted networks.

        `extras`: `mask` (B * Q, K) bool, `support_errors` (B * Q, 2), see `prepare`, `heatmaps` (B * Q, K, H, W),
        `maxima` (B * Q, K), the unclamped scores.
        """
        mask = state['mask']
        times = len(query['images']) // len(mask)
        with running_statistics(self.network):
            heatmaps = torch.cat([
                self._answer({name: state[name][row] for name, _ in self.network.named_parameters()}, images,
                             mask.shape[1]) for row, images in enumerate(query['images'].split(times))])
        points, maxima = decode_heatmaps(heatmaps, self.refine)
        return Prediction(points=points.float(), scores=maxima.float().clamp(0, 1), extras=dict(
            mask=mask.repeat_interleave(times, 0), heatmaps=heatmaps, maxima=maxima,
            support_errors=state['support_errors'].repeat_interleave(times, 0)))

    def _adapt(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """S supports -> the adapted parameters of `network` by name."""
        raise NotImplementedError

    def _answer(self, parameters: dict, images: Tensor, slots: int) -> Tensor:
        """Heat maps (N, slots, H, W) of N images (N, 3, H, W) uint8; slots beyond the network's outputs are zero."""
        heatmaps = functional_call(self.network, parameters, (self.data_preprocessor.normalise(images),))[:, :slots]
        return F.pad(heatmaps, (0, 0, 0, 0, 0, slots - heatmaps.shape[1]))

    def _error(self, heatmaps: Tensor, points: Tensor, visible: Tensor) -> Tensor:
        """Squared error of heat maps (N, K, H, W), mean over each image's visible keypoints; 1 where maps are empty.

        The same unit for every map size lets one rate serve them all.
        """
        if visible[:, self.max_keypoints:].any():
            raise CapekitError(f'{type(self).__name__}: a category has more keypoints than max_keypoints='
                               f'{self.max_keypoints}; raise it')
        size = heatmaps.shape[-1]
        target, weight = gaussian_heatmaps(points, visible, size, self.sigma)
        return heatmap_mse(heatmaps, target, weight) * size ** 2 / (math.pi * self.sigma ** 2)

    def _support_error(self, parameters: dict, images: Tensor, points: Tensor, visible: Tensor) -> Tensor:
        """`_error` of images (N, 3, H, W) uint8."""
        return self._error(self._answer(parameters, images, visible.shape[1]), points, visible)


@MODELS.register_module()
class FineTuneEstimator(AdaptingEstimator):
    """Pre-trained on all images of the base categories, fine-tuned on the supports of each episode.

    Pre-training uses the supports and the query of a training episode alike, keypoint k of every category on output
    k. Fine-tuning updates the whole network with Adam, as Nakamura and Harada (2019) recommend for few images from
    a different domain.

    The arguments are those of `AdaptingEstimator`.
    """

    @checked
    def __init__(self, backbone: dict, decoder_channels: Size = 256, max_keypoints: Size = 68,
                 steps: Count = 20, rate: Positive = 5e-4, refine: Refinement = 'quarter', sigma: Positive = 2.0,
                 data_preprocessor: dict | None = None, image_size: Size | None = None):
        super().__init__(backbone, decoder_channels, max_keypoints, steps, rate, refine, sigma, data_preprocessor,
                         image_size)

    @torch.enable_grad()
    def _adapt(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        parameters = {name: value.detach().clone().requires_grad_() for name, value in self.network.named_parameters()}
        optimizer = torch.optim.Adam(parameters.values(), self.rate)
        for _ in range(self.steps):
            optimizer.zero_grad()
            self._support_error(parameters, images, points, visible).backward()
            optimizer.step()
        return {name: value.detach() for name, value in parameters.items()}

    def _loss(self, episode: Episode) -> dict:
        """`heatmap_loss` of every image, without adaptation."""
        images = torch.cat((episode.support_images.flatten(0, 1), episode.query_images))
        points = torch.cat((episode.support_points.flatten(0, 1), episode.query_points))
        visible = torch.cat((episode.support_visible.flatten(0, 1), episode.query_visible))
        return dict(heatmap_loss=self._support_error(dict(self.network.named_parameters()), images, points, visible))


@MODELS.register_module()
class MAMLEstimator(AdaptingEstimator):
    """Meta-trained so that a few steps of gradient descent on the supports answer the query (Finn et al., ICML 2017).

    The loss of a training episode is that of the query after adaptation.

    Args:
        max_norm: a longer gradient in an adaptation step is clipped to this norm: otherwise the steps of a network that
            does not start from trained weights diverge within a hundred iterations.
        norm: 'running': BatchNorm, whose statistics are updated before each training step by one pass of the batch's
            images, without gradient; one query alone would give poor statistics that differ from those at test.
            'image': every image is normalised by itself instead; no statistics lag behind the weights, so that training
            from random weights is faster.
        first_order: leave out the second derivatives of the adaptation (the paper's section 5.2: nearly as good).
        test_steps: adaptation steps in eval mode; None = `steps`.
        others: as in `AdaptingEstimator`.
    """

    @checked
    def __init__(self, backbone: dict, decoder_channels: Size = 256, max_keypoints: Size = 68,
                 steps: Size = 5, rate: Positive = 0.01, max_norm: Positive = 1.0,
                 norm: Literal['running', 'image'] = 'running', first_order: bool = True,
                 test_steps: Count | None = None, refine: Refinement = 'quarter', sigma: Positive = 2.0,
                 data_preprocessor: dict | None = None, image_size: Size | None = None):
        super().__init__(backbone, decoder_channels, max_keypoints, steps, rate, refine, sigma, data_preprocessor,
                         image_size)
        self.max_norm, self.norm, self.first_order = max_norm, norm, first_order
        self.test_steps = steps if test_steps is None else test_steps
        if norm == 'image':
            normalise_each_image(self.network)

    def _adapt(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        gradient = torch.func.grad(self._support_error)
        parameters = dict(self.network.named_parameters())
        for _ in range(self.steps if self.training else self.test_steps):
            at = {name: value.detach() for name, value in parameters.items()} if self.first_order else parameters
            steepest = gradient(at, images, points, visible)
            length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in steepest.values()]))
            rate = self.rate * (self.max_norm / length.clamp(min=1e-12)).clamp(max=1)
            parameters = {name: value - rate * steepest[name] for name, value in parameters.items()}
        return parameters

    def _loss(self, episode: Episode) -> dict:
        """`heatmap_loss` of the queries after adaptation, at the keypoints that every support sees.

        For the log only: `support_error` and `adapted_support_error`, before and after adaptation.
        """
        if self.training and self.norm == 'running':
            images = torch.cat((episode.support_images.flatten(0, 1), episode.query_images))
            with torch.no_grad():
                self.network(self.data_preprocessor.normalise(images))
        extras = self._predict(episode).extras
        before, after = extras['support_errors'].mean(0)
        return dict(support_error=before, adapted_support_error=after, heatmap_loss=self._error(
            extras['heatmaps'], episode.query_points, episode.query_visible & extras['mask']))


def normalise_each_image(network: nn.Module) -> None:
    """Replace every BatchNorm by an InstanceNorm with the same weights."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            own = nn.InstanceNorm2d(child.num_features, child.eps, affine=True)
            own.load_state_dict(dict(weight=child.weight, bias=child.bias))
            setattr(network, name, own)
        else:
            normalise_each_image(child)
