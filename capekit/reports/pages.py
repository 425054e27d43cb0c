"""Tables of README and docs that are written from run files, so that no page says what no run printed.

A page has a table between two markers:

    <!-- table: demo -->
    <!-- /table -->

`TABLES` says from which file below docs/runs each is made. `papers/...` are those of `capekit report` for the runs in
docs/runs/papers: `<!-- table: papers/capeformer/table3 -->`. `benchmark/METRIC` is of configs/benchmark.yml. `papers`
and `benchmark` say what the numbers of all these tables are based on.
"""

import re
from collections.abc import Callable
from pathlib import Path

from capekit.errors import CapekitError
from capekit.evaluation.report import methods_table
from capekit.files import atomic_write, read_json
from capekit.reports.benchmark import settings_table
from capekit.reports.complexity import complexity_table, costs_table
from capekit.reports.runs import load_runs
from capekit.reports.tables import name_of_table, paper_tables
from capekit.reports.trainings import trainings
from capekit.sweeps.papers import load_papers

RUNS = Path('docs/runs')
PAGES = ('README.md', 'docs/*.md', 'configs/*/README.md')
TABLES: dict[str, tuple[str, Callable[[dict], str]]] = {
    # What `make demo`, `capekit complexity --json` and `capekit costs --json` write.
    'demo': ('demo.json', methods_table), 'complexity': ('complexity.json', complexity_table),
    'costs': ('costs.json', costs_table)}
"""Name -> (file below docs/runs, what makes a table of its content)."""
LISTS = ('papers', 'benchmark')
"""Of configs, and folders below docs/runs."""
_MARKED = re.compile(r'(<!-- table: (\S+) -->\n).*?(<!-- /table -->)', re.S)


def update_tables(root: Path, write: bool = True) -> list[Path]:
    """Renew the tables of all pages of a checkout.

    Args:
        root: of the checkout.
        write: False only looks.

    Returns:
        the pages whose tables were not those of their runs.

    Raises:
        CapekitError: a page names a table that does not exist, or a run file is missing.
    """
    changed = []
    for page in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        before = page.read_text(encoding='utf-8')
        after = before
        for found in _MARKED.finditer(before):
            after = after.replace(found[0], f'{found[1]}{_table(root, page, found[2])}\n{found[3]}', 1)
        if after != before:
            changed.append(page)
            if write:
                with atomic_write(page) as file:
                    file.write(after.encode())
    return changed


def _table(root: Path, page: Path, name: str) -> str:
    listed, _, which = name.partition('/')
    if listed in LISTS:
        papers, runs = load_papers(root / f'configs/{listed}.yml'), load_runs([root / RUNS / listed])
        if not which:
            return '\n\n'.join(trainings(runs, name_of_table if listed == 'papers' else
                                         lambda run: papers.rows[run.row_id].label))
        return settings_table(papers, runs, which) if listed == 'benchmark' else '\n\n'.join(
            table.text('markdown') for table in paper_tables(papers, runs, [which]))
    if name not in TABLES:
        raise CapekitError(f'{page}: table {name!r} is not one of {", ".join(TABLES)}, '
                           f'{", ".join(f"{listed}, {listed}/..." for listed in LISTS)}')
    file, make = TABLES[name]
    path = root / RUNS / file
    if not path.is_file():
        raise CapekitError(f'{page}: table {name!r} is made of {path}, which is missing')
    return make(read_json(path)).rstrip()
