"""The embedded default: ImageNet features and a small head, both trained on the supports.

Where queries differ from the few supports, features that were never trained on them help: their matches are added.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from capekit.datasets.crops import transform_points
from capekit.datasets.transforms import Geometry
from capekit.labelling.crops import cut, to_tensor
from capekit.labelling.lite import STRIDE, LiteFeatures, decode, joined
from capekit.labelling.matcher import FrozenModel
from capekit.labelling.records import Labelled

SIZE, BATCH, WIDTH = 192, 8, 128
HEAD_RATE, NETWORK_RATE = 2e-3, 2e-4
SIGMA = 1.0
"""Of the Gaussian targets, in cells."""
ROTATION, SCALE, SHIFT, BRIGHTNESS = 25.0, 0.2, 0.08, 0.25
MATCHING = 8.0
"""Weight of the frozen features' similarities beside the head's log-probabilities."""
STEPS_PER_SECOND = 200 / 60


@dataclass(frozen=True)
class Budget:
    """When training ends: after `steps`, or when the time is up. The rates fall to 0 by whichever is nearer.

    A machine that takes the steps in time gives the same network from the same seed.
    """

    steps: int
    seconds: float = float('inf')

    @classmethod
    def of_seconds(cls, seconds: float) -> 'Budget':
        """200 steps a minute, which two cores can do."""
        return cls(max(1, round(seconds * STEPS_PER_SECOND)), seconds)

    def share(self, part: float) -> 'Budget':
        """A part of it."""
        return Budget(max(1, round(self.steps * part)), self.seconds * part)


class KeypointNetwork(nn.Module):
    """(N, 3, H, W) uint8 -> logits (N, K, H / 8, W / 8)."""

    def __init__(self, count: int, features: LiteFeatures):
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Conv2d(sum(features.channels), WIDTH, 1), nn.ReLU(),
                                  nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(WIDTH, count, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(joined(self.features(images)))


def random_geometry(rng: np.random.Generator) -> Geometry:
    """How a support's square is changed for training."""
    return Geometry(float(np.exp(rng.uniform(-SCALE, SCALE))), float(np.clip(rng.normal(0, ROTATION), -90, 90)),
                    tuple(rng.uniform(-SHIFT, SHIFT, 2).tolist()))


def random_crop(support, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A support's crop, changed at random: image (size, size, 3) uint8, points (K, 2) in its pixels, visible (K,)."""
    image, matrix = cut(support.image, support.box, size, random_geometry(rng))
    image = np.clip(image * rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS), 0, 255).astype(np.uint8)
    points = transform_points(support.points, matrix)
    return image, points, support.visible & ((points >= 0) & (points < size)).all(1)


def train(network: nn.Module, rates: list[tuple[nn.Module, float]], loss: Callable[[], Tensor], budget: Budget,
          progress: Callable[[float], None] | None = None) -> int:
    """Adam on fresh draws of `loss`, rates falling to 0 as half a cosine; returns the number of steps taken.

    Args:
        network: to train.
        rates: its parts and their first learning rates.
        loss: draws a batch and returns its loss.
        budget: when to end.
        progress: is called with the share of the budget used, from 0 to 1.
    """
    network.train()
    # A batch of few crops gives poor statistics.
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    optimizer = torch.optim.AdamW([dict(params=list(part.parameters()), lr=rate) for part, rate in rates],
                                  weight_decay=1e-4)
    started, step = time.monotonic(), 0
    while (used := max(step / budget.steps, (time.monotonic() - started) / budget.seconds)) < 1:
        for group, (_, rate) in zip(optimizer.param_groups, rates, strict=True):
            group['lr'] = rate * 0.5 * (1 + np.cos(np.pi * used))
        optimizer.zero_grad()
        with torch.enable_grad():
            loss().backward()
        optimizer.step()
        step += 1
        if progress is not None:
            progress(used)
    network.eval()
    return step


class AdaptedModel:
    """Answers crops of `size` pixels once `set_support` has trained its network.

    Args:
        device: such as 'cpu'.
        features: frozen, on that device.
        budget: of the training.
        seed: of every random draw.
    """

    name, size = 'adapted', SIZE

    def __init__(self, device: str, features: LiteFeatures, budget: Budget, seed: int = 0):
        self.device, self.budget, self.seed = device, budget, seed
        self.frozen = FrozenModel(device, features)
        self.network: KeypointNetwork | None = None
        self.steps = 0

    def set_support(self, labelled: Labelled, progress: Callable[[float], None] | None = None) -> None:
        """Train on the supports."""
        rng = np.random.default_rng(self.seed)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = KeypointNetwork(len(labelled.names), LiteFeatures()).to(self.device)
        order: list[int] = []

        def loss() -> Tensor:
            while len(order) < BATCH:
                order.extend(rng.permutation(len(labelled.supports)).tolist())
            drawn = [random_crop(labelled.supports[order.pop(0)], SIZE, rng) for _ in range(BATCH)]
            images, points, visible = zip(*drawn, strict=True)
            logits = network(to_tensor(list(images)).to(self.device))
            target = targets(np.stack(points), SIZE).to(self.device)
            weight = torch.from_numpy(np.stack(visible)).to(self.device)
            errors = -(target * logits.flatten(2).log_softmax(-1)).sum(-1)
            return (errors * weight).sum() / weight.sum().clamp(min=1)

        self.steps = train(network, [(network.head, HEAD_RATE), (network.features, NETWORK_RATE)], loss, self.budget,
                           progress)
        self.network = network
        self.frozen.set_support(labelled)

    @torch.no_grad()
    def answer(self, crops: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Crops (N, 3, size, size) uint8 -> points (N, K, 2) normalised by `size`, scores (N, K)."""
        assert self.network is not None, 'set_support comes first'
        crops = crops.to(self.device)
        logits = self.network(crops)
        evidence, _ = self.frozen.evidence(crops)
        chances = logits - logits.flatten(2).logsumexp(-1)[..., None, None]
        points, scores = decode(chances + MATCHING * F.adaptive_avg_pool2d(evidence, logits.shape[-2:]), STRIDE)
        return points.double().cpu().numpy(), scores.double().cpu().numpy()

    def state(self) -> dict[str, Tensor]:
        """The network's parameters, and what the frozen features found at the supports' keypoints."""
        assert self.network is not None, 'set_support comes first'
        return {**{f'network.{name}': value for name, value in self.network.state_dict().items()},
                **{f'frozen.{name}': value for name, value in self.frozen.state().items()}}

    def restore(self, state: dict[str, Tensor], count: int) -> None:
        """Take what `state` gave, for `count` keypoints."""
        parts: dict[str, dict] = dict(network={}, frozen={})
        for name, value in state.items():
            part, _, key = name.partition('.')
            parts[part][key] = value
        network = KeypointNetwork(count, LiteFeatures(None))
        network.load_state_dict(parts['network'])
        self.network = network.to(self.device).eval()
        self.frozen.restore(parts['frozen'], count)


def targets(points: np.ndarray, size: int) -> Tensor:
    """(N, K, 2) pixels -> (N, K, cells) float32 Gaussians that sum to 1, on a map of stride 8."""
    cells = (torch.from_numpy(points).float() - (STRIDE - 1) / 2) / STRIDE
    grid = torch.arange(size // STRIDE)
    x, y = ((grid - cells[..., axis, None]) ** 2 for axis in (0, 1))
    return (-(y[..., :, None] + x[..., None, :]) / (2 * SIGMA ** 2)).flatten(2).softmax(-1)
