"""Without training: each keypoint's ImageNet features, looked up in the query at several strides."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from capekit.labelling.crops import cut, to_tensor
from capekit.labelling.lite import STRIDES, LiteFeatures, decode
from capekit.labelling.records import Labelled

SIZE, STRIDE = 192, 4
PRIOR = 2.0
"""Weight of the squared distance, in crop sides, to where the supports show the keypoint."""
SHARPNESS = 40.0
"""The similarities are multiplied by it before the softmax that the position and the score are read from."""


class FrozenModel:
    """Cosine of centred features, summed over strides, with a weak prior of the position in the crop.

    Each keypoint uses the supports that show it.

    Args:
        device: such as 'cpu'.
        features: on that device.
    """

    name, size, steps = 'frozen', SIZE, 0

    def __init__(self, device: str, features: LiteFeatures):
        self.device, self.features = device, features
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def set_support(self, labelled: Labelled, progress: Callable[[float], None] | None = None) -> None:
        """Read off the supports' features at their keypoints."""
        drawn = [cut(support.image, support.box, SIZE) for support in labelled.supports]
        images = to_tensor([image for image, _ in drawn]).to(self.device)
        points = torch.from_numpy(np.stack([
            support.points @ matrix[:, :2].T + matrix[:, 2]
            for support, (_, matrix) in zip(labelled.supports, drawn, strict=True)])).float().to(self.device)
        visible = torch.from_numpy(np.stack([support.visible for support in labelled.supports])).to(self.device)
        share = visible / visible.sum(0).clamp(min=1)
        self.tensors = dict(place=(torch.where(visible[..., None], points, 0) * share[..., None]).sum(0) / SIZE)
        # align_corners=False: -1 is the crop's edge, half a pixel before the first pixel's centre.
        grid = (2 * (points + 0.5) / SIZE - 1)[:, :, None]
        for stride, one in zip(STRIDES, self.features(images), strict=True):
            mean = one.mean((0, 2, 3))
            there = F.grid_sample(one - mean[:, None, None], grid, align_corners=False)[..., 0].transpose(1, 2)
            mixed = (F.normalize(there, dim=-1) * share[..., None]).sum(0)
            self.tensors |= {f'mean{stride}': mean, f'keypoints{stride}': F.normalize(mixed, dim=-1)}

    @torch.no_grad()
    def answer(self, crops: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Crops (N, 3, size, size) uint8 -> points (N, K, 2) normalised by `size`, scores (N, K)."""
        evidence, similarity = self.evidence(crops.to(self.device))
        points, _ = decode(SHARPNESS * evidence, STRIDE)
        return points.double().cpu().numpy(), similarity.flatten(2).amax(-1).clamp(0, 1).double().cpu().numpy()

    def evidence(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, size, size) uint8 -> similarities less the prior's cost, and the similarities, (N, K, h, w) each."""
        similarity = self.similarity(crops)
        side = similarity.shape[-1]
        cells = (torch.arange(side, device=similarity.device) + 0.5) / side
        place = self.tensors['place']
        x, y = ((cells - place[:, axis, None]) ** 2 for axis in (0, 1))
        return similarity - PRIOR * (y[:, :, None] + x[:, None, :]), similarity

    def similarity(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, K, H / 4, W / 4), in [-1, 1]."""
        total: Tensor | float = 0.0
        for stride, one in zip(STRIDES, self.features(images), strict=True):
            centred = F.normalize(one - self.tensors[f'mean{stride}'][:, None, None], dim=1)
            alike = torch.einsum('nchw,kc->nkhw', centred, self.tensors[f'keypoints{stride}'])
            size = [side // STRIDE for side in images.shape[-2:]]
            total = total + F.interpolate(alike, size, mode='bilinear', align_corners=False) / len(STRIDES)
        assert isinstance(total, Tensor)
        return total

    def state(self) -> dict[str, Tensor]:
        """What was read off; the network's parameters come with the package."""
        return self.tensors

    def restore(self, state: dict[str, Tensor], count: int) -> None:
        """Take what `state` gave; the number of keypoints is in it."""
        self.tensors = {name: value.to(self.device) for name, value in state.items()}
