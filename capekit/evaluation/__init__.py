"""Predictions to numbers: metrics, intervals, paired comparison, tables, dumps that can be scored again."""

from capekit.evaluation.evaluator import EpisodeEvaluator
from capekit.evaluation.metrics import RowScores, compare, evaluate, mpck_name, row_scores, score_rows
from capekit.evaluation.report import (
    Predictions,
    comparison_table,
    dataset_of,
    load_predictions,
    markdown_table,
    save_predictions,
    text_table,
    write_json,
)

__all__ = ['EpisodeEvaluator', 'Predictions', 'RowScores', 'compare', 'comparison_table', 'dataset_of', 'evaluate',
           'load_predictions', 'markdown_table', 'mpck_name', 'row_scores', 'save_predictions', 'score_rows',
           'text_table', 'write_json']
