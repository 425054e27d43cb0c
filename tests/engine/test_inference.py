"""Predicting rows: each image encoded once, in bounded memory, with the answers of the plain loop."""

from collections import Counter

import numpy as np
import pytest
import torch
from coco_files import content, write, write_images
from torch import nn

from capekit.datasets import MP100Dataset, released_test_episodes
from capekit.engine.inference import RowPredictor
from capekit.models.preprocessor import CapePreprocessor
from capekit.structures import Prediction


class MeanColour(nn.Module):
    """A stand-in estimator whose answer depends on every support, on their points and on the query."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = CapePreprocessor()
        self.encoded = Counter()

    def encode(self, images, points, visible):
        for image in images:
            self.encoded[image.numpy().tobytes()] += 1
        mean = self.data_preprocessor.normalise(images).mean((2, 3))
        return dict(points=points * visible[..., None] + mean[:, None, :2]), dict(mean=mean)

    def prepare(self, support, task):
        return dict(points=support['points'].mean(1))

    def answer(self, state, query):
        times = len(query['mean']) // len(state['points'])
        points = state['points'].repeat_interleave(times, 0) + query['mean'][:, None, 1:]
        return Prediction(points=points, scores=points[..., 0])

    def forward(self, episode, mode):
        support, _ = self.encode(episode.support_images.flatten(0, 1), episode.support_points.flatten(0, 1),
                                 episode.support_visible.flatten(0, 1))
        support = {name: value.unflatten(0, episode.support_images.shape[:2]) for name, value in support.items()}
        _, query = self.encode(episode.query_images, episode.query_points, episode.query_visible)
        return self.answer(self.prepare(support, episode.task), query)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    data = content(categories=((1, 'cup', 3), (2, 'bird', 4), (7, 'hat', 6)), per_category=9)
    return MP100Dataset(write(folder / 'ann.json', data), write_images(folder / 'images', data), image_size=32)


def _collect(batches, count):
    answers = [None] * count
    for numbers, points in batches:
        for number, answer in zip(numbers, points, strict=True):
            assert answers[number] is None
            answers[number] = answer
    return answers


@pytest.mark.parametrize('max_images', [1000, 9, 6])
@pytest.mark.parametrize('shots', [1, 3])
def test_equal_to_pair_by_pair(dataset, shots, max_images):
    rows = released_test_episodes(dataset, shots, queries=3, episodes=4)
    predictor = RowPredictor(MeanColour(), dataset, batch_size=5, max_images=max_images)
    kept = _collect(predictor.predict(rows), len(rows))
    pairs = _collect(predictor.predict_pairs(rows), len(rows))
    for row, a, b in zip(rows, kept, pairs, strict=True):
        assert a.shape == (dataset.categories[int(dataset.category_ids[row[-1]])].num_keypoints, 2)
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_no_image_is_encoded_twice(dataset):
    rows = released_test_episodes(dataset, 2, queries=3, episodes=20)
    estimator = MeanColour()
    for _ in RowPredictor(estimator, dataset, batch_size=4).predict(rows):
        pass
    assert len(estimator.encoded) == len(np.unique(rows)) and set(estimator.encoded.values()) == {1}


def test_memory_is_bounded(dataset):
    rows = released_test_episodes(dataset, 1, queries=4, episodes=8)
    predictor = RowPredictor(MeanColour(), dataset, batch_size=4, max_images=5)
    parts = predictor._parts(rows)
    assert max(len(part['needed']) for part in parts) <= 5
    assert np.array_equal(np.sort(np.concatenate([part['rows'] for part in parts])), np.arange(len(rows)))


def test_batches_do_not_split_an_episode(dataset):
    rows = released_test_episodes(dataset, 2, queries=3, episodes=4)[:12]
    numbers = np.arange(len(rows))
    for batch_size, lengths in ((7, [6, 6]), (3, [3, 3, 3, 3]), (2, [2, 1, 2, 1, 2, 1, 2, 1]), (100, [12])):
        batches = RowPredictor(MeanColour(), dataset, batch_size=batch_size)._batches(rows, numbers)
        assert [len(batch) for batch in batches] == lengths
        assert np.array_equal(np.concatenate(batches), numbers)


def test_rows_in_any_order(dataset):
    rows = released_test_episodes(dataset, 1, queries=3, episodes=4)
    order = np.random.default_rng(0).permutation(len(rows))
    predictor = RowPredictor(MeanColour(), dataset, batch_size=5)
    straight = _collect(predictor.predict(rows), len(rows))
    mixed = _collect(predictor.predict(rows[order]), len(rows))
    for place, number in enumerate(order):
        np.testing.assert_allclose(mixed[place], straight[number], atol=1e-4)


def test_workers_change_nothing(dataset):
    rows = released_test_episodes(dataset, 1, queries=3, episodes=2)
    with torch.no_grad():
        alone = _collect(RowPredictor(MeanColour(), dataset, 4).predict(rows), len(rows))
        two = _collect(RowPredictor(MeanColour(), dataset, 4, num_workers=2).predict(rows), len(rows))
    assert all(np.array_equal(a, b) for a, b in zip(alone, two, strict=True))
