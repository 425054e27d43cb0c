"""One table of a list whose tables have the same rows under different settings, such as `configs/benchmark.yml`."""

from collections.abc import Sequence

from tabulate import tabulate

from capekit.reports.runs import FinishedRun, over_seeds
from capekit.sweeps.papers import Papers


def settings_table(papers: Papers, runs: Sequence[FinishedRun], metric: str) -> str:
    """GitHub table: a line per row name, a column per table of the list, then parameters and minutes of training.

    Args:
        papers: the list.
        runs: from `load_runs`.
        metric: such as 'PCK@0.2'.
    """
    columns = list(dict.fromkeys((row.paper, row.table) for row in papers.rows.values()))
    lines = []
    labels = {row.name: row.label for row in reversed(papers.rows.values())}
    for name in dict.fromkeys(row.name for row in papers.rows.values()):
        here = [run for run in runs if run.row == name and (run.paper, run.table) in columns]
        measured = [over_seeds([run for run in here if (run.paper, run.table) == column], metric) for column in columns]
        lines.append([labels[name], *(one.text() if one else '' for one in measured),
                      _range(here, 'parameters', 1e-6), _range(here, 'train_seconds', 1 / 60)])
    titles = [papers.content['papers'][paper]['tables'][table]['title'] for paper, table in columns]
    headers = ['method', *titles, 'parameters, M', 'training, minutes']
    return tabulate(lines, headers, 'github', disable_numparse=True)


def _range(runs: Sequence[FinishedRun], key: str, factor: float) -> str:
    """'4.0' or '3.1-4.0' over the runs that have one."""
    values = sorted(factor * value for run in runs if (value := getattr(run, key)))
    ends = dict.fromkeys(f'{value:.1f}' for value in (values[:1] + values[-1:]))
    return '-'.join(ends)
