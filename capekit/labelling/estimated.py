"""Any method of a config, on the supports: fine-tuned on them, prepared once, answering any number of crops."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from capekit.datasets.crops import transform_points
from capekit.labelling.adapted import Budget, random_crop, rotation_of, train
from capekit.labelling.crops import cut, to_tensor
from capekit.labelling.records import Labelled
from capekit.structures import Episode, Task

RATE = 1e-4
EPISODES = 2
"""A training step: so many supports as queries, each with the others as its supports."""
USUAL_SIZE = 256


class EstimatorModel:
    """An estimator with `encode`, `prepare` and `answer`.

    Args:
        estimator: in eval mode, on its device.
        budget: of fine-tuning on the supports; None = none, which is all that a head with nothing to train gets.
        seed: of every random draw.
    """

    def __init__(self, estimator, budget: Budget | None, seed: int = 0):
        head = getattr(estimator, 'head', estimator)
        self.origin, self.seed = estimator, seed
        self.budget = None if getattr(head, 'frozen', False) else budget
        self.estimator = estimator
        self.device = estimator.data_preprocessor.device
        self.name = type(head).__name__
        self.size = getattr(estimator, 'image_size', None) or USUAL_SIZE
        self.steps = 0
        self.memory: dict[str, Tensor] = {}
        self.states: list[tuple[Tensor, dict]] = []

    def set_support(self, labelled: Labelled, progress: Callable[[float], None] | None = None) -> None:
        """Fine-tune a copy of the estimator, then prepare the supports."""
        self.steps = 0
        if self.budget is not None:
            self.estimator = copy.deepcopy(self.origin)
            rng = np.random.default_rng(self.seed)
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                self.steps = train(self.estimator, [(self.estimator, RATE)],
                                   lambda: self._loss(labelled, rng), self.budget, progress)
        drawn = [cut(support.image, support.box, self.size) for support in labelled.supports]
        points = np.stack([transform_points(support.points, matrix) / self.size
                           for support, (_, matrix) in zip(labelled.supports, drawn, strict=True)])
        self.memory = dict(
            images=to_tensor([image for image, _ in drawn]), points=torch.from_numpy(points).float(),
            visible=torch.from_numpy(np.stack([support.visible for support in labelled.supports])),
            links=torch.from_numpy(labelled.links))
        self._prepare()

    def _loss(self, labelled: Labelled, rng: np.random.Generator) -> Tensor:
        """The estimator's loss where supports are the queries of the others, or one is its own."""
        episodes, rotation = [], rotation_of(labelled)
        for _ in range(EPISODES):
            order = rng.permutation(len(labelled.supports))
            numbers = (*(order[1:] if len(order) > 1 else order), order[0])
            drawn = [random_crop(labelled.supports[i], self.size, rng, rotation) for i in numbers]
            images, points, visible = zip(*drawn, strict=True)
            stacked = to_tensor(list(images))[None]
            places = torch.from_numpy(np.stack(points)).float()[None] / self.size
            seen = torch.from_numpy(np.stack(visible))[None]
            # Unlike a test, a keypoint that some supports hide is trained where the query shows it.
            episodes.append(Episode(stacked[:, :-1], places[:, :-1], seen[:, :-1], stacked[:, -1], places[:, -1],
                                    seen[:, -1], torch.tensor([len(labelled.names)]),
                                    [torch.from_numpy(labelled.links)],
                                    [dict(category=labelled.category, keypoint_names=labelled.names)]))
        losses = self.estimator(Episode.collate(episodes), mode='loss')
        return sum(value for name, value in losses.items() if 'loss' in name)

    @torch.no_grad()
    def _prepare(self) -> None:
        """A state for every set of supports that shows some keypoint: each keypoint uses those that show it."""
        images, points, visible, links = (self.memory[name].to(self.device)
                                          for name in ('images', 'points', 'visible', 'links'))
        support = self.estimator.encode_support(images, points, visible)
        task = Task(num_keypoints=torch.tensor([points.shape[1]], device=self.device), links=[links], names=[()])
        self.states = []
        for pattern in torch.unique(visible.T, dim=0):
            if not pattern.any():
                continue
            members = (visible.T == pattern).all(1)
            shown = {name: value[pattern][None] for name, value in support.items()}
            self.states.append((members, self.estimator.prepare(shown, task)))

    @torch.no_grad()
    def answer(self, crops: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Crops (N, 3, size, size) uint8 -> points (N, K, 2) normalised by `size`, scores (N, K); 0 where unseen."""
        query = self.estimator.encode_query(crops.to(self.device))
        count = self.memory['visible'].shape[1]
        points, scores = np.zeros((len(crops), count, 2)), np.zeros((len(crops), count))
        for members, state in self.states:
            prediction = self.estimator.answer(state, query)
            chosen = members.cpu().numpy()
            points[:, chosen] = prediction.points.double().cpu().numpy()[:, chosen]
            scores[:, chosen] = prediction.scores.double().cpu().numpy()[:, chosen]
        return points, scores

    def state(self) -> dict[str, Tensor]:
        """The estimator's parameters and the supports' crops."""
        return {**{f'estimator.{name}': value.contiguous() for name, value in self.estimator.state_dict().items()},
                **{f'supports.{name}': value.contiguous() for name, value in self.memory.items()}}

    def restore(self, state: dict[str, Tensor], count: int) -> None:
        """Take what `state` gave; the number of keypoints is in it."""
        own = {name.removeprefix('estimator.'): value for name, value in state.items() if name.startswith('estimator.')}
        self.estimator = copy.deepcopy(self.origin)
        self.estimator.load_state_dict(own)
        self.memory = {name.removeprefix('supports.'): value for name, value in state.items()
                       if name.startswith('supports.')}
        self._prepare()
