"""Render the papers' tables from finished runs, published beside measured, and plots.

    python tools/report.py RUNS [--select capeformer/table3] [--format markdown|latex|csv] [--out FILE] [--plots DIR]

RUNS are folders of `capekit sweep`. A mean over splits is there only if all splits are; one seed has its 95 % interval
over episodes, several have mean ± standard deviation and their number. Rows without a run keep their published numbers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from capekit.errors import CapekitError
from capekit.files import atomic_write, check_writable
from capekit.reports import FinishedRun, load_runs, paper_tables, render
from capekit.reports.tables import FORMATS
from capekit.shipped import shipped_configs
from capekit.sweeps.papers import Papers, load_papers


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', type=Path, nargs='+', help='folders that `capekit sweep` wrote to')
    parser.add_argument('--papers', type=Path, default=shipped_configs() / 'papers.yml',
                        help='the list of rows (default: the shipped configs/papers.yml)')
    parser.add_argument('--select', nargs='+', default=[], metavar='NAME',
                        help="papers, tables or rows, such as 'capeformer/table3'; default: all")
    parser.add_argument('--format', choices=tuple(FORMATS), default='markdown', help='default: %(default)s')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the tables to this file, do not print')
    parser.add_argument('--plots', type=Path, metavar='DIR',
                        help='also draw: accuracy against shots, training categories and epochs; bars per category and '
                             'super-category')
    parser.add_argument('--metric', default='PCK@0.2', help='of the plots (default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for path, option in ((args.out, '--out'), (args.plots, '--plots')):
        if path is not None:
            check_writable(path, option, folder=option == '--plots')
    papers, runs = load_papers(args.papers), load_runs(args.runs)
    announce_others(papers, runs)
    text = render(paper_tables(papers, runs, args.select), args.format)
    if args.out is None:
        print(text, end='')
    else:
        with atomic_write(args.out) as file:
            file.write(text.encode())
        print(args.out)
    if args.plots is not None:
        from capekit.reports.plots import draw_plots
        chosen = {run.row.id for run in papers.select(args.select)}
        for path in draw_plots([run for run in runs if run.row_id in chosen], args.plots, args.metric):
            print(path)


def announce_others(papers: Papers, runs: Sequence[FinishedRun]) -> None:
    """Say which runs the tables leave out because the list does not have their rows.

    Raises:
        CapekitError: all of them.
    """
    others = [run for run in runs if run.row_id not in papers.rows]
    if not others:
        return
    text = (f'{len(others)} of {len(runs)} runs are of rows that {papers.path} does not have, such as '
            f'{others[0].row_id}; give their list with --papers')
    if len(others) == len(runs):
        raise CapekitError(text)
    print(f'warning: {text}', file=sys.stderr)
