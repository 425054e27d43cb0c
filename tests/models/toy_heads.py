"""Heads of no published method that show what the contract supports: links, keypoint names."""

import zlib

import torch
from torch import nn

from capekit.models.layers import gaussian_heatmaps, heatmap_pooling
from capekit.models.losses import keypoint_mean
from capekit.registry import MODELS
from capekit.structures import Prediction


class SoftArgmaxHead(nn.Module):
    """Keypoint tokens against the query's cells; the answer is the expected cell. Subclasses make the tokens."""

    def __init__(self, in_channels, channels: int = 16):
        super().__init__()
        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)

    def encode_query(self, maps):
        return dict(pixels=self.query_projection(maps[-1]))

    def answer(self, state, query):
        height, width = query['pixels'].shape[-2:]
        share = (state['tokens'] @ query['pixels'].flatten(2)).softmax(-1)
        y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing='ij')
        return Prediction(points=share @ torch.stack((x, y), -1).flatten(0, 1), scores=share.amax(-1),
                          extras=dict(mask=state['mask']))

    def loss(self, prediction, episode):
        weight = episode.query_visible & prediction.extras['mask']
        error = (prediction.points - episode.query_points.masked_fill(~weight[..., None], 0)).abs().sum(-1)
        return dict(l1_loss=keypoint_mean(error, weight.to(error.dtype)))


@MODELS.register_module()
class ToyGraphHead(SoftArgmaxHead):
    """Like GraphCape: support tokens exchange information over the category's links."""

    def __init__(self, in_channels, channels: int = 16):
        super().__init__(in_channels, channels)
        self.own, self.neighbours = nn.Linear(in_channels[-1], channels), nn.Linear(in_channels[-1], channels)

    def encode_support(self, maps, points, visible):
        heatmaps, seen = gaussian_heatmaps(points, visible)
        return dict(keypoints=heatmap_pooling(maps[-1], heatmaps), seen=seen)

    def prepare(self, support, task):
        keypoints, mask = support['keypoints'].mean(1), support['seen'].all(1)
        adjacency = keypoints.new_zeros(*mask.shape, mask.shape[1])
        for row, links in enumerate(task.links):
            adjacency[row, links[:, 0], links[:, 1]] = adjacency[row, links[:, 1], links[:, 0]] = 1
        return dict(tokens=self.own(keypoints) + adjacency @ self.neighbours(keypoints), mask=mask)


@MODELS.register_module()
class ToyTextHead(SoftArgmaxHead):
    """Like text-prompted methods: a keypoint is represented by its name; supports only say which keypoints count."""

    def __init__(self, in_channels, channels: int = 16, words: int = 7):
        super().__init__(in_channels, channels)
        self.words = nn.Embedding(words, channels)

    def encode_support(self, maps, points, visible):
        return dict(seen=visible)

    def prepare(self, support, task):
        mask = support['seen'].all(1)
        words = torch.zeros_like(mask, dtype=torch.long)
        for row, names in enumerate(task.names):
            numbers = [zlib.crc32(name.encode()) % self.words.num_embeddings for name in names]
            words[row, :len(names)] = torch.tensor(numbers)
        return dict(tokens=self.words(words), mask=mask)
