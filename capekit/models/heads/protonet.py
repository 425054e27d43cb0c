"""ProtoNet for keypoints: each is found where the query is most like its prototype (Snell et al., NeurIPS 2017).

There is no released code. The CAPE papers say that a prototype is made for each keypoint from features of stage 3, and
that the nearest location of the query is its answer (Xu et al., ECCV 2022, section 5.2). What they leave open is chosen
here: the distance and the loss of the paper on prototypical networks, with POMNet's pooling.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capekit.choices import Positive, Size, checked
from capekit.models.layers import gaussian_heatmaps, heatmap_pooling, seen_by_all
from capekit.models.losses import keypoint_mean
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


@MODELS.register_module()
class ProtoNetHead(nn.Module):
    """Prototypes of keypoints against the locations of one feature map.

    The distance is the squared Euclidean one, which the authors of prototypical networks found better than the cosine,
    averaged over channels and times a learned scale: the average has the same magnitude for every backbone; the scale
    lets softmax be as sharp as the data require. The loss is theirs with locations instead of classes: cross-entropy of
    softmax(-distance) with the cell that holds the true point.

    Args:
        scale: initial scale of the distances.
        heatmap_size: of the support pooling, in cells.
        sigma: of the Gaussian that weights it, in cells.
    """

    @checked
    def __init__(self, scale: Positive = 10.0, heatmap_size: Size = 64, sigma: Positive = 2.0):
        super().__init__()
        self.heatmap_size, self.sigma = heatmap_size, sigma
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """Features pooled from the finest map, `keypoints` (N, K, C), zero where not seen, and `seen` (N, K) bool."""
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        return dict(keypoints=heatmap_pooling(maps[0], heatmaps), seen=seen)

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W): the finest map."""
        return dict(pixels=maps[0])

    def prepare(self, support: dict, task: Task) -> dict:
        """`prototypes` (B, K, C), the mean over the shots that see a keypoint, zero where none does; `mask` (B, K)."""
        shots = support['seen'].sum(1).clamp(min=1)[..., None]
        return dict(prototypes=support['keypoints'].sum(1) / shots,
                    mask=seen_by_all(support['seen'], task.num_keypoints))

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`.

        `extras`: `mask` (B, K) bool, the keypoints that every support sees; `similarity` (B, K, H, W), the logits.
        """
        prototypes = state['prototypes']
        pixels = query['pixels'].flatten(2)
        height, width = query['pixels'].shape[-2:]
        distance = (prototypes.square().sum(2)[..., None] + pixels.square().sum(1)[:, None]
                    - 2 * prototypes @ pixels) / pixels.shape[1]
        similarity = -self.log_scale.exp() * distance  # (B, K, HW)
        scores, best = similarity.softmax(-1).max(-1)
        cells = torch.stack((best % width, best // width), -1)
        points = (cells + 0.5) / cells.new_tensor([width, height])
        return Prediction(points=points, scores=scores, extras=dict(
            mask=state['mask'], similarity=similarity.unflatten(-1, (height, width))))

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """`location_loss`, mean over the keypoints that the query, inside its crop, and every support see."""
        points = episode.query_points
        similarity = prediction.extras['similarity']
        height, width = similarity.shape[-2:]
        weight = episode.query_visible & prediction.extras['mask'] & ((points >= 0) & (points < 1)).all(-1)
        cells = (points.masked_fill(~weight[..., None], 0) * points.new_tensor([width, height])).long()
        error = F.cross_entropy(similarity.flatten(2).transpose(1, 2), cells[..., 1] * width + cells[..., 0],
                                reduction='none')
        return dict(location_loss=keypoint_mean(error, weight.to(error.dtype)))
