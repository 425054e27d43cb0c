"""Validation and test loops of mmengine's runner: predict every row of the episode sampler, then score them all."""


import numpy as np
from mmengine.dist import all_gather_object, broadcast_object_list, get_dist_info, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, autocast

from capekit.engine.inference import RowPredictor
from capekit.progress import track
from capekit.registry import EVALUATOR, LOOPS


class EpisodeLoop(BaseLoop):
    """Predicts the rows of the data loader's episode sampler and scores them.

    The categories are shared out among ranks; every rank returns the same metrics.

    Args:
        runner, dataloader, evaluator: given by the runner.
        keep_features: encode each image once and decode every episode from what is kept; False encodes every pair
            anew, with the same answers.
        max_images: encoded images kept at most, see `RowPredictor`.
        amp: run the network under automatic mixed precision.
    """

    stage = ''

    def __init__(self, runner, dataloader, evaluator, keep_features: bool = True, max_images: int = 1000,
                 amp: bool = False):
        super().__init__(runner, dataloader)
        self.evaluator = EVALUATOR.build(evaluator) if isinstance(evaluator, dict) else evaluator
        self.keep_features, self.max_images, self.amp = keep_features, max_images, amp
        self.points: np.ndarray | None = None
        """(N, Kmax, 2) float32 image pixels of the last run, NaN behind a category's keypoints; main process only."""

    def run(self) -> dict:
        """Predict and score; returns the metrics by name."""
        self.runner.call_hook(f'before_{self.stage}')
        self.runner.call_hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        dataset, rows = self.dataloader.dataset, self.dataloader.sampler.rows
        self.points = self._gather(self._predict(dataset, rows), len(rows))
        metrics = [None]
        if is_main_process():
            metrics = [self.evaluator.evaluate(dataset, rows, self.points)]
        broadcast_object_list(metrics)
        self.runner.call_hook(f'after_{self.stage}_epoch', metrics=metrics[0])
        self.runner.call_hook(f'after_{self.stage}')
        return metrics[0]

    def _predict(self, dataset, rows: np.ndarray) -> list:
        """(row numbers, points) of the categories that are this rank's."""
        rank, world_size = get_dist_info()
        order = {category_id: number for number, category_id in enumerate(dataset.categories)}
        place = np.array([order[category_id] for category_id in dataset.category_ids[rows[:, -1]].tolist()])
        mine = np.flatnonzero(place % world_size == rank)
        if not len(mine):
            return []
        model = self.runner.model
        predictor = RowPredictor(model.module if is_model_wrapper(model) else model, dataset,
                                 self.dataloader.batch_size, self.dataloader.num_workers, self.max_images)
        batches = (predictor.predict if self.keep_features else predictor.predict_pairs)(rows[mine])
        with autocast(enabled=self.amp):
            return [(mine[numbers], points) for numbers, points in
                    track(batches, len(mine), self.stage, step=lambda batch: len(batch[0]))]

    def _gather(self, batches: list, count: int) -> np.ndarray | None:
        """All ranks' answers as one array on the main process, None elsewhere."""
        everyone = [batch for rank in all_gather_object(batches) for batch in rank]
        if not is_main_process():
            return None
        points = np.full((count, max(batch.shape[1] for _, batch in everyone), 2), np.nan, np.float32)
        for numbers, batch in everyone:
            points[numbers, :batch.shape[1]] = batch
        return points


@LOOPS.register_module()
class EpisodeValLoop(EpisodeLoop):
    """`EpisodeLoop` as the runner's validation."""

    stage = 'val'


@LOOPS.register_module()
class EpisodeTestLoop(EpisodeLoop):
    """`EpisodeLoop` as the runner's test."""

    stage = 'test'
