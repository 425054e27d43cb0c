"""The papers' tables and plots from finished runs."""

from capekit.reports.runs import FinishedRun, load_runs
from capekit.reports.tables import PaperTable, paper_tables, render

__all__ = ['FinishedRun', 'PaperTable', 'load_runs', 'paper_tables', 'render']
