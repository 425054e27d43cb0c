"""The evaluator named in a config: it scores the episodes that a loop has predicted."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from capekit.choices import Ascending, Count, Positive, checked
from capekit.datasets.episodes import TestPlan
from capekit.evaluation.intervals import evaluate
from capekit.evaluation.scores import THRESHOLDS, mpck_name
from capekit.registry import EVALUATOR


@EVALUATOR.register_module()
class EpisodeEvaluator:
    """The published metrics.

    Args:
        thresholds: of PCK, in longest box sides.
        resamples: bootstrap resamples for the 95 % intervals; 0 = no intervals, enough for validation.
    """

    @checked
    def __init__(self, thresholds: Annotated[Sequence[Positive], Ascending()] = THRESHOLDS, resamples: Count = 0):
        self.thresholds, self.resamples = tuple(thresholds), resamples

    @property
    def metrics(self) -> dict[str, str]:
        """Name of each metric -> which values are the better ones, 'greater' or 'less'; what `save_best` may name."""
        pck = [*(f'PCK@{threshold:g}' for threshold in self.thresholds), mpck_name(self.thresholds), 'AUC']
        return {**dict.fromkeys(pck, 'greater'), **dict.fromkeys(('NME', 'EPE', 'unscored_rows'), 'less')}

    def evaluate(self, dataset, plan: TestPlan, points: np.ndarray, scores: np.ndarray) -> dict:
        """points (E, Q, Kmax, 2) in image pixels and scores (E, Q, Kmax) -> the report of `intervals.evaluate`."""
        return evaluate(dataset, plan, points, scores, self.thresholds, self.resamples)
