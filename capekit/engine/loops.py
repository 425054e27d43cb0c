"""Validation and test loops for mmengine's runner: predict every episode of the plan, then score them all."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, broadcast, broadcast_object_list, get_dist_info, is_main_process
from mmengine.runner import BaseLoop, autocast
from torch.utils.data import Dataset

from capekit.choices import Count, Size
from capekit.datasets.episodes import TestPlan
from capekit.engine.distributed import unwrapped
from capekit.engine.inference import EpisodePredictor
from capekit.engine.options import refuse_unknown
from capekit.errors import CapekitError
from capekit.progress import track
from capekit.registry import DATA_SAMPLERS, DATASETS, EVALUATOR, LOOPS

ENCODING = 4
"""Encoding an image is about as much work as answering this many queries; read when ranks share a test."""


@dataclass
class EvaluationData:
    """What a config says under `val_dataloader` or `test_dataloader`. The loop loads the images itself."""

    dataset: Dataset
    """An `MP100Dataset`, or its config."""
    sampler: Any
    """Anything with a `TestPlan` as its `plan`, or its config."""
    batch_size: Size = 1
    """Images encoded, and pairs answered, at a time."""
    num_workers: Count = 0
    """Processes that load images."""
    persistent_workers: bool = False
    """Keep them between validations."""

    def __post_init__(self):
        if isinstance(self.dataset, dict):
            self.dataset = DATASETS.build(self.dataset)
        if isinstance(self.sampler, dict):
            self.sampler = DATA_SAMPLERS.build(self.sampler, default_args=dict(dataset=self.dataset))
        if not isinstance(getattr(self.sampler, 'plan', None), TestPlan):
            raise CapekitError(f'{type(self.sampler).__name__} cannot be the sampler of an evaluation: it has no '
                               '`plan`, a TestPlan; use TestEpisodes, or write one that has it')

    def __len__(self) -> int:
        """Number of episodes, for mmengine's log."""
        return len(self.sampler.plan)


class EpisodeLoop(BaseLoop):
    """Predicts the episodes of the sampler's plan and scores them.

    The episodes are divided among the ranks by the work that they are; every rank returns the same metrics.

    Args:
        runner: mmengine's runner.
        dataloader: dict of the fields of `EvaluationData`.
        evaluator: config of an evaluator, or an object with the interface documented at `capekit.registry.EVALUATOR`.
        keep_features: encode each image once, prepare each support set once, and answer every episode from what is
            kept; False encodes every pair anew, with the same answers.
        max_images: encoded images to keep at most, see `EpisodePredictor`.
        amp: run the network under automatic mixed precision.

    Raises:
        CapekitError: an unknown option of `dataloader`, such as `collate_fn`, or a sampler without a plan.
    """

    stage = ''
    loader_options = tuple(field.name for field in fields(EvaluationData))
    """What `load_config` accepts in the data loader of this loop."""

    def __init__(self, runner, dataloader: dict, evaluator, keep_features: bool = True, max_images: Size = 1000,
                 amp: bool = False):
        refuse_unknown(dataloader, self.loader_options, f'{self.stage}_dataloader',
                       f'{type(self).__name__}, which loads images itself')
        super().__init__(runner, dataloader=EvaluationData(**dataloader))
        self.evaluator = EVALUATOR.build(evaluator) if isinstance(evaluator, dict) else evaluator
        self.keep_features, self.max_images, self.amp = keep_features, max_images, amp
        self.points: np.ndarray | None = None
        """(E, Q, Kmax, 2) float32 image pixels from the last run, nan beyond a category's keypoints; like `scores` and
        `report`, on the main process only."""
        self.scores: np.ndarray | None = None
        """(E, Q, Kmax) float32, nan beyond a category's keypoints."""
        self.report: dict | None = None
        """The evaluator's report on the last run."""
        self._predictor: EpisodePredictor | None = None

    @property
    def plan(self) -> TestPlan:
        """The episodes that it predicts."""
        return self.dataloader.sampler.plan

    def run(self) -> dict:
        """Predict and score; returns the metrics by name."""
        self.runner.call_hook(f'before_{self.stage}')
        self.runner.call_hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        self._share_buffers()
        answers = self._predict()
        metrics: list = [None]
        if answers is not None:
            self.points, self.scores = answers
            self.report = self.evaluator.evaluate(self.dataloader.dataset, self.plan, self.points, self.scores)
            metrics = [flat_metrics(self.report)]
        broadcast_object_list(metrics)
        self.runner.call_hook(f'after_{self.stage}_epoch', metrics=metrics[0])
        self.runner.call_hook(f'after_{self.stage}')
        return metrics[0]

    def _share_buffers(self) -> None:
        """Every rank tests the model that a checkpoint holds: BatchNorm's statistics are the main process's."""
        for buffer in self.runner.model.buffers():
            broadcast(buffer)

    def _predict(self) -> tuple | None:
        """Points (E, Q, Kmax, 2) and scores (E, Q, Kmax) of all ranks on the main process, None elsewhere."""
        rank, world_size = get_dist_info()
        dataset, queries = self.dataloader.dataset, self.plan.queries
        mine = episodes_of_ranks(self.plan, dataset.category_ids, world_size)[rank]
        predictor = self._get_predictor()
        batches = (predictor.predict if self.keep_features else predictor.predict_pairs)(self.plan, mine)
        with autocast(enabled=self.amp):
            answers = list(track(batches, len(mine), self.stage, step=lambda batch: len(batch[0])))
        everyone = [batch for of_rank in all_gather_object(answers) for batch in of_rank]
        if not is_main_process():
            return None
        slots = max(batch.shape[2] for _, batch, _ in everyone)
        points = np.full((*queries.shape, slots, 2), np.nan, np.float32)
        scores = np.full((*queries.shape, slots), np.nan, np.float32)
        for numbers, batch_points, batch_scores in everyone:
            points[numbers, :, :batch_points.shape[2]] = batch_points
            scores[numbers, :, :batch_scores.shape[2]] = batch_scores
        return points, scores

    def _get_predictor(self) -> EpisodePredictor:
        """The same one for every run, so that its workers are kept."""
        if self._predictor is None:
            model, data = self.runner.model, self.dataloader
            self._predictor = EpisodePredictor(
                unwrapped(model), data.dataset, data.batch_size, data.num_workers,
                self.max_images, data.persistent_workers)
        return self._predictor


def episodes_of_ranks(plan: TestPlan, category_ids: np.ndarray, ranks: int) -> list[np.ndarray]:
    """Divide a plan among ranks so that each has about as much to do.

    Categories stay whole, so that one rank encodes each image; where there are more ranks, the largest are divided, and
    each rank that has a part encodes all images. The largest part goes first, always to the rank that has least to do.

    Args:
        plan: E episodes.
        category_ids: (N,) of all instances.
        ranks: how many.

    Returns:
        per rank, ascending numbers of episodes in the plan.
    """
    ids = category_ids[plan.queries[:, 0]]
    members = {category_id: np.flatnonzero(ids == category_id) for category_id in np.unique(ids)}
    images = {category_id: len(np.unique(np.concatenate((plan.supports[own], plan.queries[own]), 1)))
              for category_id, own in members.items()}
    parts = dict.fromkeys(members, 1)

    def work(category_id) -> float:
        """Of each part of a category."""
        return plan.queries[members[category_id]].size / parts[category_id] + ENCODING * images[category_id]

    while sum(parts.values()) < ranks:
        divisible = [category_id for category_id, own in members.items() if parts[category_id] < len(own)]
        if not divisible:
            break
        parts[max(divisible, key=work)] += 1
    shares: list[list] = [[] for _ in range(ranks)]
    loads = [0.0] * ranks
    for category_id in sorted(members, key=work, reverse=True):
        for part in np.array_split(members[category_id], parts[category_id]):
            least = loads.index(min(loads))
            shares[least] += part.tolist()
            loads[least] += work(category_id)
    return [np.sort(np.array(share, np.int64)) for share in shares]


def flat_metrics(report: dict) -> dict:
    """The overall metrics of a report by name, and the number of unscored rows if it has one, for mmengine."""
    metrics = {name: metric['value'] for name, metric in report['overall']['metrics'].items()}
    return dict(metrics, unscored_rows=report['unscored_rows']) if 'unscored_rows' in report else metrics


@LOOPS.register_module()
class EpisodeValLoop(EpisodeLoop):
    """`EpisodeLoop` as the runner's validation."""

    stage = 'val'


@LOOPS.register_module()
class EpisodeTestLoop(EpisodeLoop):
    """`EpisodeLoop` as the runner's test."""

    stage = 'test'
