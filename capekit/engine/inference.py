"""From a test plan to predicted points: each image encoded once, each support set prepared once, or plainly by pair."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from capekit.datasets.episodes import EpisodeKey, TestPlan
from capekit.errors import CapekitError
from capekit.structures import Episode, Task

Numbers = Sequence[int] | np.ndarray


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


class Batches:
    """A data loader that is given new batches for every pass, so that its workers can be kept between passes."""

    def __init__(self, dataset: Dataset, collate: Callable, num_workers: int, persistent_workers: bool):
        self._keys: list = []
        # A generator of its own: a validation must not move the random numbers of training.
        self.loader = DataLoader(dataset, batch_sampler=self._keys, collate_fn=collate, num_workers=num_workers,
                                 persistent_workers=persistent_workers and num_workers > 0,
                                 generator=torch.Generator())

    def load(self, keys: list) -> Iterator:
        """The batches with these lists of keys, in order."""
        self._keys[:] = keys
        return iter(self.loader)


@dataclass
class Step:
    """What is answered at once: queries `start` to `end` of some episodes of one category."""

    episodes: np.ndarray
    """(n,) numbers in the plan."""
    supports: np.ndarray
    """(n, S) instance numbers."""
    queries: np.ndarray
    """(n, q) instance numbers."""
    first: bool
    """These are the episodes' first queries: the supports are prepared here."""
    last: bool
    """These are the episodes' last queries: the episodes are complete afterwards."""
    asked: np.ndarray
    """(n,) bool, the episodes whose answers are wanted; a step without any is skipped."""

    @property
    def needed(self) -> dict:
        """The instances whose features are needed, as keys, in order."""
        return dict.fromkeys([*(self.supports.flatten().tolist() if self.first else ()),
                              *self.queries.flatten().tolist()])


@dataclass
class Part:
    """Successive steps of one category whose images are in memory together."""

    steps: list
    needed: dict
    """Their instances, as keys."""
    load: list
    """Lists of those not yet in memory; each list is encoded at once."""


class EpisodePredictor:
    """Answers the episodes of a `TestPlan` with points in image pixels.

    Args:
        estimator: in eval mode, on its device: `encode`, `prepare` and `answer`, or a call with mode 'predict'.
        dataset: an `MP100Dataset`.
        batch_size: images encoded, and pairs answered, at a time.
        num_workers: data loader workers.
        max_images: how many encoded images to keep at most. A category with more is processed in parts; only then is an
            image encoded more than once. S supports and one query are always kept.
        persistent_workers: keep the workers for the next call.

    Raises:
        CapekitError: a batch size or number of images below 1.
    """

    def __init__(self, estimator, dataset, batch_size: int = 32, num_workers: int = 0, max_images: int = 1000,
                 persistent_workers: bool = False):
        for name, value in (('batch_size', batch_size), ('max_images', max_images)):
            if value < 1:
                raise CapekitError(f'{name}={value} must be 1 or more')
        self.estimator, self.dataset = estimator, dataset
        self.batch_size, self.max_images = batch_size, max_images
        self._images = Batches(Images(dataset), Images.collate, num_workers, persistent_workers)
        self._pairs = Batches(dataset, Episode.collate, num_workers, persistent_workers)

    def predict(self, plan: TestPlan, episodes: Numbers | None = None) -> Iterator[tuple]:
        """Answer episodes: each image encoded once, each support set prepared once.

        Args:
            plan: E episodes of Q queries.
            episodes: numbers of the episodes to answer; None = all. Their categories are encoded whole and cut into
                steps as for all, so that the answers are the same bits.

        Yields:
            for some episodes of one category: their numbers (n,), points (n, Q, K, 2) float32 in image pixels, scores
            (n, Q, K) float32.
        """
        steps = self._steps(plan, episodes)
        return _whole_episodes(steps, self._answers(self._parts(steps)))

    def predict_pairs(self, plan: TestPlan, episodes: Numbers | None = None) -> Iterator[tuple]:
        """The same answers, every pair encoded and prepared anew: the plain loop that `predict` is checked against."""
        steps = self._steps(plan, episodes)
        return _whole_episodes(steps, self._pair_answers(steps))

    def _steps(self, plan: TestPlan, episodes: Numbers | None) -> list[Step]:
        """Cut the episodes' categories into steps of at most `batch_size` pairs and `max_images` images."""
        numbers = np.arange(len(plan))
        asked = np.isin(numbers, numbers if episodes is None else episodes)
        count = plan.queries.shape[1]
        at_once = max(1, min(count, self.batch_size, self.max_images - plan.shots))
        together = max(1, min(self.batch_size // count, self.max_images // (plan.shots + count)))
        ids = self.dataset.category_ids[plan.queries[:, 0]]
        steps = []
        for category_id in dict.fromkeys(ids[asked].tolist()):
            members = numbers[ids == category_id]
            for begin in range(0, len(members), together):
                chosen = members[begin:begin + together]
                steps += [Step(chosen, plan.supports[chosen], plan.queries[chosen, start:start + at_once],
                               first=start == 0, last=start + at_once >= count, asked=asked[chosen])
                          for start in range(0, count, at_once)]
        return steps

    def _parts(self, steps: list[Step]) -> list[Part]:
        """Group steps into parts of one category that need at most `max_images`.

        What the previous part left in memory is not loaded again.
        """
        parts: list[Part] = []
        category_id = None
        for step in steps:
            own_id = self.dataset.category_ids[step.queries[0, 0]]
            together = {**parts[-1].needed, **step.needed} if parts else {}
            if own_id == category_id and len(together) <= self.max_images:
                parts[-1].steps.append(step)
                parts[-1].needed = together
            else:
                parts.append(Part([step], step.needed, []))
            category_id = own_id
        kept: dict = {}
        for part in parts:
            # Instances of the same image one after the other: it is decoded once for all of them.
            new = sorted((number for number in part.needed if number not in kept),
                         key=self.dataset.image_numbers.__getitem__)
            part.load = [new[i:i + self.batch_size] for i in range(0, len(new), self.batch_size)]
            kept = part.needed
        return parts

    def _answers(self, parts: list[Part]) -> Iterator[tuple]:
        """Points (n * q, K, 2) in image pixels and scores (n * q, K) of each step."""
        loader = self._images.load([numbers for part in parts for numbers in part.load])
        kept = Features()
        for part in parts:
            kept.keep_only(part.needed)
            for numbers in part.load:
                self._encode(numbers, next(loader), kept)
            for step in filter(_is_asked, part.steps):
                with torch.no_grad():
                    if step.first:
                        state = self.estimator.prepare(kept.support(step.supports), self._task(step))
                    query, matrices = kept.query(step.queries.flatten())
                    prediction = self.estimator.answer(state, query)
                yield self._in_pixels(prediction, matrices)

    @torch.no_grad()
    def _encode(self, numbers: list[int], batch: tuple, kept: 'Features') -> None:
        images, points, visible, matrices = batch
        device = self.estimator.data_preprocessor.device
        support, query = self.estimator.encode(images.to(device), points.to(device), visible.to(device))
        kept.add(numbers, support, query, matrices.numpy())

    def _task(self, step: Step) -> Task:
        """What is known about a step's category, once per episode."""
        category = self.dataset.categories[int(self.dataset.category_ids[step.queries[0, 0]])]
        device, count = self.estimator.data_preprocessor.device, len(step.episodes)
        return Task(num_keypoints=torch.full((count,), category.num_keypoints, device=device),
                    links=[torch.as_tensor(category.links, device=device)] * count,
                    names=[tuple(category.keypoint_names)] * count)

    def _pair_answers(self, steps: list[Step]) -> Iterator[tuple]:
        """As `_answers`, from whole episodes with one query."""
        keys = [[EpisodeKey((*supports, query)) for supports, queries in
                 zip(step.supports.tolist(), step.queries.tolist(), strict=True) for query in queries]
                for step in filter(_is_asked, steps)]
        for episode in self._pairs.load(keys):
            prediction = self.estimator(episode, mode='predict')
            yield self._in_pixels(prediction, np.stack([meta['crop_to_image'][-1] for meta in episode.meta]))

    def _in_pixels(self, prediction, matrices: np.ndarray) -> tuple:
        points, scores = prediction.points.float().cpu().numpy(), prediction.scores.float().cpu().numpy()
        return to_image_pixels(points, matrices, self.dataset.image_size).astype(np.float32), scores


def to_image_pixels(points: np.ndarray, crop_to_image: np.ndarray, image_size: int) -> np.ndarray:
    """(..., K, 2) normalised crop points -> image pixels, by (..., 2, 3) matrices."""
    points = points * image_size
    return points @ np.swapaxes(crop_to_image[..., :2], -1, -2) + crop_to_image[..., None, :, 2]


def _is_asked(step: Step) -> bool:
    return bool(step.asked.any())


def _whole_episodes(steps: list[Step], answers: Iterator[tuple]) -> Iterator[tuple]:
    """Join the answers of steps, (n * q, K, 2) and (n * q, K), into those of asked episodes with all their queries."""
    parts = []
    for step, arrays in zip(filter(_is_asked, steps), answers, strict=True):
        parts.append([array.reshape(*step.queries.shape, *array.shape[1:])[step.asked] for array in arrays])
        if step.last:
            yield step.episodes[step.asked], *(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
            parts = []


class Features:
    """Encoded images by instance number; a tensor of both support and query features is kept once."""

    def __init__(self):
        self._place: dict[int, int] = {}
        self._shared: list[str] = []
        self._support: dict[str, Tensor] = {}
        self._query: dict[str, Tensor] = {}
        self._matrices = np.zeros((0, 2, 3))

    def keep_only(self, numbers: dict) -> None:
        """Drop every image that is not in `numbers`; if none remains, features of another category may follow."""
        stay = [number for number in self._place if number in numbers]
        index = [self._place[number] for number in stay]
        self._support, self._query = ({name: value[index] for name, value in features.items()} if stay else {}
                                      for features in (self._support, self._query))
        self._matrices = self._matrices[index]
        self._place = {number: place for place, number in enumerate(stay)}

    def add(self, numbers: Sequence[int], support: dict, query: dict, matrices: np.ndarray) -> None:
        """Add the features of more images, in the order of `numbers`."""
        self._shared = [name for name in support if support[name] is query.get(name)]
        own = {name: value for name, value in support.items() if name not in self._shared}
        for features, new in ((self._support, own), (self._query, query)):
            for name, value in new.items():
                features[name] = torch.cat((features[name], value)) if name in features else value
        start = len(self._place)
        self._place.update({number: start + place for place, number in enumerate(numbers)})
        self._matrices = np.concatenate((self._matrices, matrices))

    def support(self, numbers: np.ndarray) -> dict:
        """Instance numbers (n, S) -> support features, tensors (n, S, ...)."""
        return self._gather({**self._support, **{name: self._query[name] for name in self._shared}}, numbers)[0]

    def query(self, numbers: np.ndarray) -> tuple:
        """Instance numbers (n,) -> query features, tensors (n, ...), and matrices (n, 2, 3)."""
        features, index = self._gather(self._query, numbers)
        return features, self._matrices[index]

    def _gather(self, features: dict, numbers: np.ndarray) -> tuple:
        index = np.vectorize(self._place.__getitem__, otypes=[np.int64])(numbers)
        at = torch.from_numpy(index)
        return {name: value[at.to(value.device)] for name, value in features.items()}, index
