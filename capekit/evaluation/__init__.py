"""Predictions to numbers: metrics, intervals, paired comparison, tables, dumps that can be scored again."""

from capekit.evaluation.metrics import RowScores, compare, evaluate, mpck_name, row_scores, score_rows

__all__ = ['RowScores', 'compare', 'evaluate', 'mpck_name', 'row_scores', 'score_rows']
