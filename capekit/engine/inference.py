"""From test rows to predicted points: each image encoded once, or plainly pair by pair."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from capekit.datasets.episodes import EpisodeKey
from capekit.structures import Episode, Task


class Images(Dataset):
    """The instances of an `MP100Dataset` as single images: image, points, visible, crop-to-image matrix."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, number: int) -> tuple:
        crop = self.dataset.crop(number)
        return crop.image, crop.points, crop.visible, crop.crop_to_image

    @staticmethod
    def collate(items: list) -> tuple:
        """N images of one category -> images (N, 3, H, W) uint8, points (N, K, 2), visible (N, K), (N, 2, 3)."""
        images, points, visible, matrices = (torch.from_numpy(np.stack(values)) for values in zip(*items, strict=True))
        return images.permute(0, 3, 1, 2).contiguous(), points, visible, matrices


def to_image_pixels(points: np.ndarray, crop_to_image: np.ndarray, image_size: int) -> np.ndarray:
    """(..., K, 2) normalised crop points -> image pixels, by (..., 2, 3) matrices."""
    points = points * image_size
    return points @ np.swapaxes(crop_to_image[..., :2], -1, -2) + crop_to_image[..., None, :, 2]


class RowPredictor:
    """Answers rows `[supports..., query]` of instance numbers with points in image pixels.

    Args:
        estimator: in eval mode, on its device.
        dataset: an `MP100Dataset`.
        batch_size: images encoded, and rows decoded, at a time.
        num_workers: data loader workers.
        max_images: how many encoded images are kept at most. A category with more is worked through in parts, and
            only then is an image encoded more than once.
    """

    def __init__(self, estimator, dataset, batch_size: int = 32, num_workers: int = 0, max_images: int = 1000):
        self.estimator, self.dataset = estimator, dataset
        self.batch_size, self.num_workers, self.max_images = batch_size, num_workers, max_images

    def predict(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Answer rows, each image encoded once.

        Yields:
            row numbers (n,) and points (n, K, 2) float32 of a batch of rows of one category.
        """
        parts = self._parts(rows)
        loads = [batch for part in parts for batch in part['load']]
        loader = iter(DataLoader(Images(self.dataset), batch_sampler=loads, num_workers=self.num_workers,
                                 collate_fn=Images.collate))
        kept = Features()
        for part in parts:
            kept.keep_only(part['needed'])
            for numbers in part['load']:
                images, points, visible, matrices = next(loader)
                device = self.estimator.data_preprocessor.device
                with torch.no_grad():
                    support, query = self.estimator.encode(images.to(device), points.to(device), visible.to(device))
                kept.add(numbers, support, query, matrices.numpy())
            for numbers in self._batches(rows, part['rows']):
                yield numbers, self._decode(rows[numbers], kept)

    def predict_pairs(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same answers, every pair encoded anew: the plain loop that `predict` is held against."""
        batches = [batch for _, part in self._categories(rows) for batch in self._batches(rows, part)]
        keys = [[EpisodeKey(tuple(rows[number])) for number in batch] for batch in batches]
        loader = DataLoader(self.dataset, batch_sampler=keys, num_workers=self.num_workers,
                            collate_fn=Episode.collate)
        for numbers, episode in zip(batches, loader, strict=True):
            points = self.estimator(episode, mode='predict').points.float().cpu().numpy()
            matrices = np.stack([meta['crop_to_image'][-1] for meta in episode.meta])
            yield numbers, to_image_pixels(points, matrices, self.dataset.image_size).astype(np.float32)

    def _batches(self, rows: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
        """Cut row numbers into batches, between two sets of supports where a batch holds one.

        A method that learns from the supports then does so once for all queries of an episode.
        """
        supports = rows[numbers, :-1]
        cuts = [0, *(np.flatnonzero((supports[1:] != supports[:-1]).any(1)) + 1), len(numbers)]
        batches, start = [], 0
        while start < len(numbers):
            end = start + self.batch_size
            within = [cut for cut in cuts if start < cut <= end]
            end = within[-1] if within else end
            batches.append(numbers[start:end])
            start = end
        return batches

    def _categories(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Row numbers of each category, in the order of their first row."""
        ids = self.dataset.category_ids[rows[:, -1]]
        for category_id in dict.fromkeys(ids.tolist()):
            yield category_id, np.flatnonzero(ids == category_id)

    def _parts(self, rows: np.ndarray) -> list[dict]:
        """Cut the rows into parts that need at most `max_images`: of each, the rows, what they need, what to load.

        A part is of one category. What the part before left in memory is not loaded again.
        """
        parts, kept = [], set()
        for _, numbers in self._categories(rows):
            needed, start = {}, 0
            for place, number in enumerate(numbers):
                more = {instance: None for instance in rows[number].tolist() if instance not in needed}
                if needed and len(needed) + len(more) > self.max_images:
                    parts.append(dict(rows=numbers[start:place], needed=list(needed)))
                    needed, start = {}, place
                    more = dict.fromkeys(rows[number].tolist())
                needed.update(more)
            parts.append(dict(rows=numbers[start:], needed=list(needed)))
        for part in parts:
            new = [instance for instance in part['needed'] if instance not in kept]
            part['load'] = [new[i:i + self.batch_size] for i in range(0, len(new), self.batch_size)]
            kept = set(part['needed'])
        return parts

    @torch.no_grad()
    def _decode(self, rows: np.ndarray, kept: 'Features') -> np.ndarray:
        """rows (n, S + 1) -> points (n, K, 2) float32 in image pixels."""
        support, query, matrices = kept.gather(rows)
        category = self.dataset.categories[int(self.dataset.category_ids[rows[0, -1]])]
        device = next(iter(query.values())).device
        links = torch.as_tensor(category.links, device=device)
        task = Task(torch.full((len(rows),), category.num_keypoints, device=device), [links] * len(rows),
                    [category.keypoint_names] * len(rows))
        prediction = self.estimator.answer(self.estimator.prepare(support, task), query)
        points = prediction.points.float().cpu().numpy()
        return to_image_pixels(points, matrices, self.dataset.image_size).astype(np.float32)


class Features:
    """Encoded images by instance number."""

    def __init__(self):
        self._place: dict[int, int] = {}
        self._support: dict[str, Tensor] = {}
        self._query: dict[str, Tensor] = {}
        self._matrices = np.zeros((0, 2, 3))

    def keep_only(self, numbers: Sequence[int]) -> None:
        """Forget every image that is not in `numbers`."""
        stay = [number for number in numbers if number in self._place]
        index = [self._place[number] for number in stay]
        for features in (self._support, self._query):
            for name in list(features):
                features[name] = features[name][index] if stay else None
        if not stay:
            self._support, self._query = {}, {}
        self._matrices = self._matrices[index]
        self._place = {number: place for place, number in enumerate(stay)}

    def add(self, numbers: Sequence[int], support: dict, query: dict, matrices: np.ndarray) -> None:
        """Keep the features of more images, in the order of `numbers`."""
        for features, new in ((self._support, support), (self._query, query)):
            for name, value in new.items():
                features[name] = torch.cat((features[name], value)) if name in features else value
        start = len(self._place)
        self._place.update({number: start + place for place, number in enumerate(numbers)})
        self._matrices = np.concatenate((self._matrices, matrices))

    def gather(self, rows: np.ndarray) -> tuple:
        """rows (n, S + 1) -> support features (n, S, ...), query features (n, ...), query matrices (n, 2, 3)."""
        index = torch.tensor([[self._place[number] for number in row] for row in rows.tolist()])
        support = {name: value[index[:, :-1].to(value.device)] for name, value in self._support.items()}
        query = {name: value[index[:, -1].to(value.device)] for name, value in self._query.items()}
        return support, query, self._matrices[index[:, -1].numpy()]
