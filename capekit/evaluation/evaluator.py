"""The evaluator that a config names: it scores the rows that a loop has predicted."""

from collections.abc import Sequence

import numpy as np

from capekit.evaluation.intervals import evaluate
from capekit.evaluation.scores import THRESHOLDS, score_rows
from capekit.registry import EVALUATOR


@EVALUATOR.register_module()
class EpisodeEvaluator:
    """Scores predicted rows.

    Args:
        thresholds: of PCK, in longest box sides.
        resamples: bootstrap resamples of the 95 % intervals; 0 gives plain numbers, as validation needs.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS, resamples: int = 0):
        self.thresholds, self.resamples = tuple(thresholds), resamples
        self.report: dict | None = None
        """What `metrics.evaluate` said of the last run, with intervals, per category; None without resamples."""

    def evaluate(self, dataset, rows: np.ndarray, points: np.ndarray) -> dict:
        """rows (N, S + 1) and points (N, Kmax, 2) in image pixels -> overall metrics by name."""
        if not self.resamples:
            return score_rows(dataset, rows, points, self.thresholds)
        self.report = evaluate(dataset, rows, points, self.thresholds, self.resamples)
        metrics = {name: metric['value'] for name, metric in self.report['overall']['metrics'].items()}
        return dict(metrics, unscored_rows=self.report['unscored_rows'])
