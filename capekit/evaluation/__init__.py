"""From predictions to numbers: metrics, intervals, paired comparison, tables, dumps that can be scored again."""

from capekit.evaluation.comparison import compare, compare_reports
from capekit.evaluation.dump import Predictions, dataset_of, load_predictions, save_predictions
from capekit.evaluation.evaluator import EpisodeEvaluator
from capekit.evaluation.intervals import evaluate
from capekit.evaluation.report import comparison_table, markdown_table, text_table
from capekit.evaluation.scores import RowScores, mpck_name, row_scores, score_correlation, score_rows

__all__ = ['EpisodeEvaluator', 'Predictions', 'RowScores', 'compare', 'compare_reports', 'comparison_table',
           'dataset_of', 'evaluate', 'load_predictions', 'markdown_table', 'mpck_name', 'row_scores',
           'save_predictions', 'score_correlation', 'score_rows', 'text_table']
