"""The papers' tables, published beside measured, as Markdown, LaTeX or CSV.

A line is a row of the paper. Beside a published number is what was measured on MP-100, and at the end what was on
generated data, both only where some row of the table was run on them. Generated data are another task for smaller
networks, without splits: compare down the rows, not with the paper's number.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

from capekit.reports.runs import COSTS, DATA, FinishedRun, Measured, mean_over, over_seeds
from capekit.reports.trainings import trainings
from capekit.sweeps.papers import MEAN, PARTS, SPLITS, Papers, Row

FORMATS = dict(markdown='github', latex='latex_booktabs', csv='csv')
_COMMENTS = dict(markdown='', latex='% ')
FIELDS = ('paper', 'table', 'row', 'label', 'column', 'metric', 'published', 'data', 'measured', 'spread', 'low',
          'high', 'seeds')
"""Of the CSV file: one line per number."""


@dataclass
class PaperTable:
    """A table, in text."""

    name: str
    title: str
    headers: list
    lines: list
    """One list of texts per row."""
    records: list
    """One dict of `FIELDS` per number."""
    notes: list = field(default_factory=list)
    runs: list = field(default_factory=list)
    """That its numbers are of."""

    def text(self, style: str) -> str:
        """With its title and notes, which are comments in LaTeX."""
        comment = _COMMENTS[style]
        table = tabulate(self.lines, self.headers, FORMATS[style], disable_numparse=True)
        return '\n\n'.join([f'{comment or "### "}{self.title}', table, *(f'{comment}{note}' for note in self.notes)])


def paper_tables(papers: Papers, runs: Sequence[FinishedRun], select: Sequence[str] = ()) -> list[PaperTable]:
    """All tables with a selected row, in the order of the file.

    Args:
        papers: from `load_papers`.
        runs: from `load_runs`; those of rows that the papers do not have are left out.
        select: papers, tables or rows; () = all.

    Raises:
        CapekitError: nothing is called as selected.
    """
    rows = list(dict.fromkeys(run.row for run in papers.select(select)))
    names = dict.fromkeys((row.paper, row.table) for row in rows)
    return [_table(papers, [row for row in rows if (row.paper, row.table) == name], runs) for name in names]


def render(tables: Sequence[PaperTable], style: str = 'markdown') -> str:
    """Text in one of `FORMATS`; CSV has one line per number, the others one table after another, then what the numbers
    are based on.
    """
    if style == 'csv':
        out = io.StringIO()
        writer = csv.DictWriter(out, FIELDS, lineterminator='\n')
        writer.writeheader()
        writer.writerows(record for table in tables for record in table.records)
        return out.getvalue()
    based_on = '\n\n'.join(trainings([run for table in tables for run in table.runs], name_of_table)).splitlines()
    parts = [*(table.text(style) for table in tables), '\n'.join(f'{_COMMENTS[style]}{line}' for line in based_on)]
    return '\n\n'.join(filter(None, parts)) + '\n'


def name_of_table(run: FinishedRun) -> str:
    """'capeformer/table3'."""
    return f'{run.paper}/{run.table}'


def _table(papers: Papers, rows: list[Row], runs: Sequence[FinishedRun]) -> PaperTable:
    of_rows = {row.id: [run for run in runs if run.row_id == row.id] for row in rows}
    used = [run for group in of_rows.values() for run in group]
    paper, table, columns = rows[0].paper, rows[0].table, rows[0].columns
    content = papers.content['papers'][paper]
    metric = f', {rows[0].metric}' if rows[0].metric else ''
    result = PaperTable(f'{paper}/{table}', f'{content["title"]}: {table}, {content["tables"][table]["title"]}{metric}',
                        ['row'], [], [])
    shots = [papers.original(papers.runs(row)[0]).row.protocol.get('shots', 1) for row in rows]
    if len(set(shots)) > 1:
        result.headers.append('shots')
    layout: list = []
    for number, column in enumerate(columns):
        if any(row.published[number] is not None for row in rows):
            layout.append((column, None))
        if any(run.on == 'mp100' for run in used):
            layout.append((column, 'mp100'))
    if any(run.on == 'synthetic' for run in used):
        layout += [(column, 'synthetic') for column in _generated_columns(rows[0])]
    result.headers += [column if data is None else f'{DATA[data]}: {column}' for column, data in layout]
    for row, own_shots in zip(rows, shots, strict=True):
        cells = [row.label, own_shots] if len(set(shots)) > 1 else [row.label]
        for column, data in layout:
            published = dict(zip(row.columns, row.published, strict=True)).get(column)
            if data is None:
                cells.append('' if published is None else f'{published:g}' if column in COSTS else f'{published:.2f}')
                result.records.append(_record(row, column, published, '', None))
                continue
            measured = _measure(row, column, [run for run in of_rows[row.id] if run.on == data], data)
            cells.append('' if measured is None else measured.text())
            if measured is not None:
                result.records.append(_record(row, column, published, data, measured))
        result.lines.append(cells)
    result.notes, result.runs = _notes(rows, used, of_rows), used
    return result


def _generated_columns(row: Row) -> list[str]:
    """What a run on generated data is compared in: there, splits and super-categories are one run."""
    metrics = [row.metric if column in PARTS else column for column in row.columns if column != MEAN]
    return list(dict.fromkeys(metric for metric in metrics if metric))


def _measure(row: Row, column: str, runs: list[FinishedRun], data: str) -> Measured | None:
    if data == 'synthetic':
        return over_seeds(runs, column)
    metric = row.metric or column
    if column == MEAN:
        return mean_over([part for part in row.columns if part in SPLITS], runs, metric)
    if column in PARTS:
        return over_seeds((run for run in runs if run.part == column), metric)
    return over_seeds((run for run in runs if not run.part), column)


def _record(row: Row, column: str, published: float | None, data: str, measured: Measured | None) -> dict:
    metric = row.metric if column in PARTS or column == MEAN else column
    record = dict(paper=row.paper, table=row.table, row=row.name, label=row.label, column=column, metric=metric,
                  published=published, data=data)
    if measured is not None:
        record.update(measured=round(measured.mean, 4), spread=measured.spread, low=measured.low, high=measured.high,
                      seeds=len(measured.values))
    return record


def _notes(rows: list[Row], used: list[FinishedRun], of_rows: dict) -> list[str]:
    """What costs are counted in, and why numbers are missing."""
    notes = []
    if any(column in COSTS for column in rows[0].columns) and used:
        notes.append('GFLOPs measured: a multiplication and its addition are two; see docs/complexity.md.')
    notes += [f'{row.label}: not run, {row.reason}.' for row in rows if row.reason and not of_rows[row.id]]
    return notes
