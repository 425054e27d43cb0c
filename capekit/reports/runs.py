"""The JSON files that `capekit sweep` leaves, one per finished run."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from capekit.choices import refuse_invalid
from capekit.errors import CapekitError
from capekit.files import read_json, read_json_lines

FORMAT = 1
NEEDED: dict[str, Any] = dict(paper=str, table=str, row=str, part=str, label=str, data=dict, schedule=str, config=str,
                              options=dict, seed=int, shots=int, metrics=dict)
"""What a file must have, with the types."""
DATA = dict(mp100='measured', synthetic='generated data')
"""Name of the data -> what its numbers are called."""
PERCENT = ('PCK', 'mPCK', 'AUC')
COSTS = dict(parameters_M=('parameters', 1e-6), GFLOPs=('flops', 1e-9))
"""Columns of costs -> the key of a run, the factor."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """One file."""

    path: Path
    content: dict

    def __getattr__(self, name: str) -> Any:
        """A key of the file, as an attribute; None where a file lacks one that it may lack."""
        if name.startswith('__'):
            raise AttributeError(name)
        return self.content.get(name)

    @property
    def row_id(self) -> str:
        """As in `configs/papers.yml`."""
        return f'{self.paper}/{self.table}/{self.row}'

    @property
    def on(self) -> str:
        """Name of the data: 'synthetic' or 'mp100'."""
        return self.data.get('name', '')

    def value(self, column: str) -> dict | None:
        """{value[, low, high]} of a metric, PCK in percent, or of a cost; None if the run has none."""
        if column in COSTS:
            key, factor = COSTS[column]
            count = self.content.get(key)
            return None if count is None else dict(value=factor * count)
        metric = self.metrics.get(column)
        if metric is None or metric.get('value') is None:
            return None
        factor = 100 if column.startswith(PERCENT) else 1
        return {key: factor * value for key, value in metric.items() if value is not None}

    @cached_property
    def test_report(self) -> dict | None:
        """The report of the test, with its categories; None where it is gone."""
        path = self.path.parent / self.report if self.report else None
        return None if path is None or not path.is_file() else read_json(path)

    def validation(self, metric: str) -> tuple[list, list]:
        """(epochs, values) of a validation metric while training, PCK in percent; both empty where there is none."""
        path = self.path.parent / self.curve if self.curve else None
        if path is None or not path.is_file():
            return [], []
        factor = 100 if metric.startswith(PERCENT) else 1
        lines = read_json_lines(path)
        points = [(line.get('epoch', line.get('step')), factor * line[metric]) for line in lines if metric in line]
        return [epoch for epoch, _ in points], [value for _, value in points]


@dataclass(frozen=True)
class Measured:
    """A number over seeds."""

    values: tuple[float, ...]
    """One per seed."""
    low: float | None = None
    high: float | None = None
    """Interval over episodes, of a single seed."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds, n - 1 in the denominator; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def text(self) -> str:
        """'71.5 [71.1, 71.9]' for one seed, '71.5 ± 0.4 (3)' for three."""
        if self.spread is not None:
            return f'{self.mean:.1f} ± {self.spread:.1f} ({len(self.values)})'
        bounds = '' if self.low is None or self.high is None else f' [{self.low:.1f}, {self.high:.1f}]'
        return f'{self.mean:.1f}{bounds}'


def over_seeds(runs: Iterable[FinishedRun], column: str) -> Measured | None:
    """A column of the runs of one row that differ in their seeds; None if none has it."""
    values = [value for run in sorted(runs, key=lambda run: run.seed) if (value := run.value(column)) is not None]
    if not values:
        return None
    single = values[0] if len(values) == 1 else {}
    return Measured(tuple(value['value'] for value in values), single.get('low'), single.get('high'))


def mean_over(parts: Sequence[str], runs: Iterable[FinishedRun], column: str) -> Measured | None:
    """The mean over splits of each seed that has all of them; None if no seed has."""
    by_seed: dict[int, dict[str, float]] = {}
    for run in runs:
        value = run.value(column)
        if value is not None:
            by_seed.setdefault(run.seed, {})[run.part] = value['value']
    whole = [statistics.fmean(of[part] for part in parts) for _, of in sorted(by_seed.items())
             if all(part in of for part in parts)]
    return Measured(tuple(whole)) if whole else None


def load_runs(folders: Sequence[Path]) -> list[FinishedRun]:
    """The finished runs below some folders, in the order of their paths.

    Raises:
        CapekitError: no runs, a file that is not one, or the same run twice.
    """
    runs: list[FinishedRun] = []
    seen: dict[tuple, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise CapekitError(f'{folder}: no such folder of runs')
        for path in sorted(folder.rglob('seed*.json')):
            run = FinishedRun(path, read_json(path))
            _check(path, run.content)
            key = (run.row_id, run.part, run.on, run.seed)
            if key in seen:
                raise CapekitError(f'{path}: the same run as {seen[key]}')
            seen[key] = path
            runs.append(run)
    if not runs:
        raise CapekitError(f'{", ".join(map(str, folders))}: no finished run (seed*.json) in there; `capekit sweep` '
                           'makes them')
    return runs


def _check(path: Path, content: Any) -> None:
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        found = content.get('format') if isinstance(content, dict) else None
        raise CapekitError(f'{path}: not a run of `capekit sweep`: format {found!r}, not {FORMAT}')
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise CapekitError(f'{path}: not a run of `capekit sweep`: {missing[0]} is missing')
    refuse_invalid(content, NEEDED, f'{path}: ')
