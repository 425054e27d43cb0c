"""A list of runs in YAML, such as `configs/papers.yml`, whose head explains its keys: read, checked, made into configs.

A row is a line of a published table. It is one run, or one for each of its columns that is a split or a super-category.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

from capekit.datasets.splits import CROSS_SUPERCATEGORIES
from capekit.engine.protocol import SETTINGS, SPLIT_NUMBERS
from capekit.errors import CapekitError, one_line
from capekit.shipped import find_config
from capekit.sweeps.checks import check, refuse_unknown

DATA = ('synthetic', 'mp100')
MEAN = 'mean'
SPLITS = {f'split{number}': dict(split=number) for number in SPLIT_NUMBERS}
PARTS: dict[str, dict] = {**SPLITS, **{name: dict(split=None, cross=name) for name in CROSS_SUPERCATEGORIES}}
"""Columns that are runs of their own -> their protocol."""



@dataclass(frozen=True, eq=False)
class Row:
    """One row of a table; the fields after `published` are the keys of the file."""

    paper: str
    table: str
    name: str
    columns: tuple[str, ...]
    metric: str | None
    """Of the columns that are runs."""
    label: str
    published: tuple[float | None, ...]
    """One per column, as printed: PCK and mPCK in percent; None = not printed, as in a list of one's own."""
    config: Path | None = None
    reason: str = ''
    protocol: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    parent: str | None = None
    changes: dict = field(default_factory=dict)
    same_as: str | None = None
    trained_as: str | None = None
    synthetic: dict | None = None
    on_synthetic: bool = True
    """Whether there is anything to run on generated data."""

    @property
    def id(self) -> str:
        """As `--select` names it: paper/table/row."""
        return f'{self.paper}/{self.table}/{self.name}'

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns that are runs of their own; ('',) for a row that is one run."""
        return tuple(column for column in self.columns if column in PARTS) or ('',)


@dataclass(frozen=True)
class Run:
    """A row, or that part of it which one split or super-category is."""

    row: Row
    part: str = ''

    @property
    def id(self) -> str:
        """As `--select` names it: that of its row, and its part."""
        return '/'.join(filter(None, (self.row.id, self.part)))

    @property
    def published(self) -> dict[str, float]:
        """Metric or cost -> what was printed for this run."""
        row = self.row
        return {(row.metric or '') if self.part else column: value
                for column, value in zip(row.columns, row.published, strict=True)
                if value is not None and (column == self.part or not self.part and column != MEAN)}


class Papers:
    """The rows of a file; `load_papers` makes one.

    Args:
        path: of the file, for messages; configs are named from its folder.
        rows: in the order of the file.
        synthetic: '<method>_<backbone>' of MP-100's configs -> config in `synthetic/` that stands for it.
        content: of the file, for titles.
    """

    def __init__(self, path: Path, rows: Iterable[Row], synthetic: Mapping[str, str], content: dict):
        self.path, self.synthetic, self.content = path, dict(synthetic), content
        self.rows = {row.id: row for row in rows}
        for row in self.rows.values():
            for run in map(self.original, self.runs(row)):  # every reference leads somewhere
                for other in filter(None, (run.row.parent, run.row.trained_as)):
                    self.target(run, other)

    @staticmethod
    def runs(row: Row) -> list[Run]:
        """The runs of a row: one, or one for each of its parts."""
        return [Run(row, part) for part in row.parts]

    def target(self, run: Run, reference: str) -> Run:
        """The run that a row's `parent`, `same_as` or `trained_as` means: a row means its part of the same name.

        Raises:
            CapekitError: there is none.
        """
        if reference in self.rows:
            row = self.rows[reference]
            if run.part in row.parts or row.parts == ('',):
                return Run(row, run.part if run.part in row.parts else '')
        else:
            name, _, part = reference.rpartition('/')
            if part and name in self.rows and part in self.rows[name].parts:
                return Run(self.rows[name], part)
        raise CapekitError(f'{self.path}: {run.id}: there is no run {reference!r}{self._near(reference)}')

    def original(self, run: Run) -> Run:
        """The run that is the same without a `same_as`.

        Raises:
            CapekitError: it leads back to itself.
        """
        passed = [run]
        while passed[-1].row.same_as:
            passed.append(self.target(passed[-1], passed[-1].row.same_as))
            if passed[-1] in passed[:-1]:
                raise CapekitError(f'{self.path}: {run.id}: same_as leads back to {passed[-1].id}')
        return passed[-1]

    def parent(self, run: Run) -> Run | None:
        """The run that this one is an ablation of."""
        run = self.original(run)
        return self.target(run, run.row.parent) if run.row.parent else None

    def trainer(self, run: Run) -> Run:
        """The run whose checkpoint this one tests: mostly itself."""
        run = self.original(run)
        return self.original(self.target(run, run.row.trained_as)) if run.row.trained_as else run

    def select(self, names: Sequence[str]) -> list[Run]:
        """Runs of papers, tables, rows or runs, such as 'capeformer/table3', in the order of the file; [] = all.

        Raises:
            CapekitError: nothing is called so; names what nearly is.
        """
        runs = [run for row in self.rows.values() for run in self.runs(row)]
        chosen: list[Run] = []
        for name in names:
            wanted = name.strip('/')
            found = [run for run in runs if f'{run.id}/'.startswith(f'{wanted}/')]
            if not found:
                raise CapekitError(f'--select {name}: {self.path} has no such paper, table or row{self._near(wanted)}')
            chosen += found
        return [run for run in runs if run in chosen] if names else runs

    def missing(self, run: Run, data: str) -> str:
        """Why there is nothing to run; '' if there is something."""
        row, original = run.row, self.original(run).row
        if original.config is None and not original.parent:
            return original.reason
        if data == 'synthetic' and not (row.on_synthetic and original.on_synthetic):
            return row.reason or original.reason
        if data == 'synthetic' and row.synthetic is None and original.synthetic is None and (
                run.part in CROSS_SUPERCATEGORIES or original.protocol.get('cross')):
            return 'generated data hold out no super-category'
        return ''

    def source(self, run: Run, data: str = 'mp100') -> tuple[Path, dict]:
        """(config file, overrides by dotted key) of a run that `missing` finds nothing against."""
        run, given = self.original(run), run.row.synthetic
        if data == 'mp100':
            return self._mp100(run)
        path, options = self._mp100(run)
        stem = path.stem.removesuffix('_mp100')
        method, _, backbone = stem.partition('_')
        root = f'{method.partition("-")[0]}_{backbone}'
        if root not in self.synthetic:
            raise CapekitError(f'{self.path}: {run.id}: synthetic names no config for {root}; it has '
                               f'{", ".join(self.synthetic)}')
        config, plain = Config.fromfile(str(path)), Config.fromfile(str(path.with_name(f'{root}_mp100.py')))
        config.merge_from_dict(options)
        changed = {key: value for key, value in differences(plain, config).items() if key.startswith('model.')}
        changed['protocol.shots'] = config.protocol.shots
        changed.update(given or run.row.synthetic or {})
        return find_config(f'configs/synthetic/{self.synthetic[root]}.py'), changed

    def _mp100(self, run: Run) -> tuple[Path, dict]:
        row = run.row
        if row.config is None:
            parent = self.parent(run)
            assert parent is not None
            path, options = self._mp100(self.original(parent))
            return path, {**options, **row.changes}
        protocol = {**PARTS.get(run.part, {}), **row.protocol}
        return row.config, {**{f'protocol.{name}': value for name, value in protocol.items()}, **row.options}

    def _near(self, name: str) -> str:
        known = {'/'.join(row.id.split('/')[:depth]) for row in self.rows.values() for depth in (1, 2, 3)}
        near = difflib.get_close_matches(name, sorted(known), 3, 0.5)
        return f'; near: {", ".join(near)}' if near else f'; it has {", ".join(dict.fromkeys(self.content["papers"]))}'


def load_papers(path: str | Path) -> Papers:
    """Read and check a list of runs.

    Raises:
        CapekitError: names the file, the row and the key, with the valid choices.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CapekitError(f'{path}: {error.strerror}') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CapekitError(f'{path}: not a YAML file ({one_line(error)})') from None
    check(content, 'file', f'{path}')
    rows = []
    for paper, its in content['papers'].items():
        check(its, 'paper', f'{path}: {paper}')
        for table, options in its['tables'].items():
            check(options, 'table', f'{path}: {paper}/{table}')
            rows += [_row(path, paper, table, options, name, row) for name, row in options['rows'].items()]
    # A list of one's own may leave that to the shipped one.
    shared = content if 'synthetic' in content else yaml.safe_load(find_config('configs/papers.yml').read_text())
    return Papers(path, rows, shared['synthetic'], content)


def _find(path: Path, config: str) -> Path:
    """A config that a list names: from the list's folder, from here, or a shipped one."""
    own = path.parent / config
    return own if own.is_file() else find_config(config)


def differences(before: Config, after: Config) -> dict[str, Any]:
    """Dotted key -> value in `after`, for the keys in which two resolved configs differ; None where it has none."""
    old, new = _flat(before), _flat(after)
    return {key: new.get(key) for key in sorted(old.keys() | new.keys())
            if key not in old or key not in new or old[key] != new[key]}


def _row(path: Path, paper: str, table: str, options: dict, name: str, row: dict) -> Row:
    where = f'{path}: {paper}/{table}/{name}'
    check(row, 'row', where)
    columns = options['columns']
    published = row.get('published', [None] * len(columns))
    if len(published) != len(columns):
        raise CapekitError(f'{where}: published has {len(published)} values for {len(columns)} columns')
    if 'metric' not in options and (runs := [column for column in columns if column in PARTS]):
        raise CapekitError(f'{path}: {paper}/{table}: metric is missing: what {runs[0]} and the like are given in')
    for protocol in (options.get('protocol', {}), row.get('protocol', {})):
        refuse_unknown(protocol, SETTINGS, f'{where}: protocol')
    config = row.get('config')
    try:
        file = None if config is None else _find(path, config)
    except CapekitError as error:
        raise CapekitError(f'{where}: {error}') from None
    if config is None and not (('config' in row and 'reason' in row) or 'same_as' in row
                               or ('parent' in row and 'changes' in row)):
        raise CapekitError(f'{where}: config is missing; a row has a config, a same_as, a parent with changes, or '
                           'config: null with a reason')
    if 'same_as' in row and (more := row.keys() & {'config', 'parent', 'changes', 'options', 'trained_as'}):
        raise CapekitError(f'{where}: same_as leaves nothing for {min(more)} to say')
    unused = {'protocol', 'options'} & row.keys() if config is None else {'changes'} & row.keys() - {
        'changes' if 'parent' in row else ''}
    if unused:
        raise CapekitError(f'{where}: {min(unused)} has no effect without '
                           f'{"a parent" if "changes" in unused else "a config"}')
    row = dict(row, config=file, published=tuple(published),
               protocol={**options.get('protocol', {}), **row.get('protocol', {})},
               on_synthetic=row.get('synthetic', {}) is not None)
    return Row(paper, table, name, tuple(columns), options.get('metric'), **row)


def _flat(config: Mapping, prefix: str = '') -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        name = f'{prefix}{key}'
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f'{name}.'))
        else:
            flat[name] = value
    return flat
