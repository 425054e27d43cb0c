"""Finding animals: a window that slides over the image at several scales, and says how well a box would fit there.

The window's weights are a ridge regression, in closed form, from ImageNet features of windows of the supports' images
to their overlap with the true box. It needs no training loop, and five images give thousands of windows.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from capekit.datasets.crops import BOX_GROWTH, box_to_square
from capekit.labelling.lite import LiteFeatures
from capekit.labelling.records import Labelled

CELL, CELLS = 16, 6
WINDOW = CELL * CELLS
"""Side of the window in pixels of the resized image; it stands for the square of a crop, 1.25 times the box."""
STEP = 1.19
"""Ratio of successive scales."""
SMALLER, LARGER = 1.5, 1.35
"""The scales go beyond those of the supports by these factors."""
LEAST = 0.02
"""Of the longest image side; smaller windows are not looked through, since the image would be enlarged too much."""
OVERLAPPING, NEAR, FAR = 0.35, 20, 15
"""Per image and scale, this many windows that overlap an animal by more than that, and this many others."""
RIDGE = 0.5
NMS = 0.55
"""Windows that overlap a better one more than that are left out; several may be around one animal."""


class BoxFinder:
    """Boxes of an image that look like those of the supports."""

    def __init__(self, device: str, features: LiteFeatures):
        self.device, self.features = device, features
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def fit(self, labelled: Labelled, seed: int = 0) -> None:
        """Learn what a window around an animal looks like."""
        rng = np.random.default_rng(seed)
        images: dict[str, list] = {}
        for support in labelled.supports:
            images.setdefault(support.name, []).append(support)
        shares = [box_to_square(s.box)[1] / max(s.image.shape[:2]) for s in labelled.supports]
        smallest, largest = (max(share, LEAST) for share in (min(shares) / SMALLER, max(shares) * LARGER))
        count = max(2, 1 + round(np.log(largest / smallest) / np.log(STEP)))
        scales = np.geomspace(smallest, largest, count)
        rows, overlaps = [], []
        for supports in images.values():
            squares = np.stack([_square(s.box) for s in supports])
            for share in scales:
                maps, windows = self._windows(supports[0].image, share)
                overlap = iou(windows, squares).max(1)
                chosen = np.concatenate([rng.permutation(np.flatnonzero(near))[:most] for near, most in
                                         ((overlap > OVERLAPPING, NEAR), (overlap <= OVERLAPPING, FAR))])
                rows.append(F.unfold(maps, CELLS)[0].T[torch.from_numpy(chosen).to(maps.device)].half())
                overlaps.append(overlap[chosen])
        weights, bias = _ridge(torch.cat(rows).float(),
                               torch.from_numpy(np.concatenate(overlaps)).float().to(self.device))
        self.tensors = dict(weights=weights.view(1, -1, CELLS, CELLS), bias=bias, scales=torch.from_numpy(scales))

    @torch.no_grad()
    def find(self, image: np.ndarray, count: int) -> list[tuple[np.ndarray, float]]:
        """The best boxes of an image (H, W, 3) uint8.

        Returns:
            up to `count` pairs, the best first: a square box (4,), and its expected overlap with the true one.
        """
        found, scores = [], []
        for share in self.tensors['scales'].tolist():
            maps, windows = self._windows(image, share)
            found.append(windows)
            scores.append((F.conv2d(maps, self.tensors['weights']) + self.tensors['bias']).flatten().cpu().numpy())
        windows, score = np.concatenate(found), np.concatenate(scores)
        boxes: list[tuple[np.ndarray, float]] = []
        while len(boxes) < count and np.isfinite(score).any():
            best = int(score.argmax())
            center, side = windows[best, :2] + windows[best, 2] / 2, windows[best, 2] / BOX_GROWTH
            boxes.append((np.array([*(center - side / 2), side, side]), float(np.clip(score[best], 0, 1))))
            score[iou(windows, windows[best:best + 1])[:, 0] > NMS] = -np.inf
        return boxes

    def _windows(self, image: np.ndarray, share: float) -> tuple[Tensor, np.ndarray]:
        """Features (1, C, h, w) of the image, and every window on it as (N, 4) x, y, side, side in its pixels.

        Args:
            image: (H, W, 3) uint8.
            share: side of the window in longest image sides.
        """
        height, width = image.shape[:2]
        zoom = WINDOW / (share * max(height, width))
        # Windows may reach out of the image by half their size; what is there is black, as in crops.
        sides = [int(np.ceil((side * zoom + WINDOW) / 32) * 32) for side in (width, height)]
        matrix = np.array([[zoom, 0, WINDOW / 2], [0, zoom, WINDOW / 2]])
        flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        canvas = np.zeros((sides[1], sides[0], 3), np.uint8)
        small = cv2.resize(image, (max(1, round(width * zoom)), max(1, round(height * zoom))), interpolation=flags)
        start = WINDOW // 2
        canvas[start:start + len(small), start:start + small.shape[1]] = small
        images = torch.from_numpy(canvas).permute(2, 0, 1)[None].to(self.device)
        _, fine, middle, coarse = self.features(images)
        size = middle.shape[-2:]
        maps = torch.cat((F.adaptive_avg_pool2d(fine, size), middle, F.interpolate(coarse, size, mode='bilinear')), 1)
        maps = F.normalize(maps, dim=1)
        ys, xs = np.mgrid[:size[0] - CELLS + 1, :size[1] - CELLS + 1]
        corners = (CELL * np.stack((xs, ys), -1).reshape(-1, 2) - matrix[:, 2]) / zoom
        return maps, np.column_stack((corners, np.full((len(corners), 2), WINDOW / zoom)))


def _square(box: np.ndarray) -> np.ndarray:
    center, side = box_to_square(box)
    return np.array([*(center - side / 2), side, side])


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4), (M, 4) boxes -> (N, M) intersection over union."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    both = np.clip(high - low, 0, None).prod(-1)
    return both / (first[:, 2:].prod(1)[:, None] + second[:, 2:].prod(1)[None] - both)


def _ridge(rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (D,) and bias of a ridge regression of values (N,) on rows (N, D), by whichever side is smaller."""
    mean, middle = rows.mean(0), values.mean()
    rows = rows - mean
    gram = rows @ rows.T
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    weights = rows.T @ torch.linalg.solve(gram, values - middle)
    return weights, middle - mean @ weights
