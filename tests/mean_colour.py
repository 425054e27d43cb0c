"""A stand-in estimator for testing what drives one."""

from collections import Counter

import torch
from torch import nn

from capekit.models.preprocessor import CapePreprocessor
from capekit.structures import Prediction


class MeanColour(nn.Module):
    """A stand-in estimator whose answer depends on every support, on their points, on the query and on the task."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = CapePreprocessor()
        self.encoded, self.prepared, self.answered = Counter(), [], []

    def encode(self, images, points, visible):
        for image in images:
            self.encoded[image.numpy().tobytes()] += 1
        mean = self.data_preprocessor.normalise(images).mean((2, 3))
        return dict(points=points * visible[..., None] + mean[:, None, :2]), dict(mean=mean)

    def prepare(self, support, task):
        self.prepared.append(len(task.num_keypoints))
        names = torch.tensor([float(sum(map(len, names))) for names in task.names])
        return support['points'].mean(1) + (task.num_keypoints + names)[:, None, None]

    def answer(self, state, query):
        self.answered.append(len(query['mean']))
        state = state.repeat_interleave(len(query['mean']) // len(state), 0)
        points = state + query['mean'][:, None, 1:]
        return Prediction(points=points, scores=points[..., 0])

    def forward(self, episode, mode):
        assert mode == 'predict'
        support, _ = self.encode(episode.support_images.flatten(0, 1), episode.support_points.flatten(0, 1),
                                 episode.support_visible.flatten(0, 1))
        support = {name: value.unflatten(0, episode.support_images.shape[:2]) for name, value in support.items()}
        _, query = self.encode(episode.query_images, episode.query_points, episode.query_visible)
        return self.answer(self.prepare(support, episode.task), query)
