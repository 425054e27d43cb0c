"""What an evaluation leaves behind: tables for people, JSON for programs, predictions that can be scored again.

A dump of predictions is an .npz without pickled objects: `rows` (N, S + 1) int64, `points` (N, Kmax, 2) float32 in
pixels of the original image (nan where a row has no such keypoint), and `meta`, a JSON text that holds the entries of
the data set's `source`. Any metric can be computed from it without the model and without pictures.
"""

import json
import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from capekit.datasets.mp100 import MP100Dataset
from capekit.errors import CapekitError
from capekit.files import atomic_write

SOURCE_KEYS = ('ann_files', 'sha256', 'categories', 'images', 'instances')


def text_table(report: dict) -> str:
    """The report of `evaluate` as plain text: overall with its interval, super-categories, categories."""
    return '\n'.join([_headline(report), _table(report, 'simple')])


def markdown_table(report: dict) -> str:
    """The same as a GitHub table."""
    return '\n\n'.join([_headline(report), _table(report, 'github')]) + '\n'


def comparison_table(comparison: dict, name_a: str = 'A', name_b: str = 'B', style: str = 'simple') -> str:
    """The result of `compare`: both values, their difference and its interval; '*' where the interval excludes 0."""
    lines = []
    for name, metric in comparison['metrics'].items():
        beyond = metric['low'] > 0 or metric['high'] < 0
        lines.append([name, _number(name, metric['a']), _number(name, metric['b']),
                      _number(name, metric['difference'], '+'), _interval(name, metric, '+'), '*' if beyond else ''])
    headers = ['', name_a, name_b, f'{name_b} - {name_a}', f'{comparison["confidence"]:.0%} interval', '']
    head = (f'{comparison["rows"]} paired rows, {comparison["unscored_rows"]} without a keypoint to score (count as '
            '0); PCK and AUC in percent')
    return f'{head}\n{_tabulate(lines, headers, style)}'


def cell(metric: dict) -> str:
    """A share of `evaluate` with its interval, in percent, for tables of several methods: '81.2 [79.9, 82.4]'."""
    value, low, high = (100 * metric[key] for key in ('value', 'low', 'high'))
    return f'{value:.1f} [{low:.1f}, {high:.1f}]'


def write_json(path: str | os.PathLike, data):
    """Write JSON-able data, whole or not at all. What is no finite number becomes null, which every reader accepts.

    Raises:
        CapekitError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write((json.dumps(_finite(data), indent=2, allow_nan=False) + '\n').encode())


@dataclass
class Predictions:
    """A dump, loaded."""

    rows: np.ndarray
    """(N, S + 1) int64 instance numbers, the query last."""
    points: np.ndarray
    """(N, Kmax, 2) float32 x, y in pixels of the original image, padded with nan."""
    meta: dict
    """The entries of `MP100Dataset.source`, and whatever the writer added (config, checkpoint, ...)."""


def save_predictions(path: str | os.PathLike, rows, points: Sequence, meta: dict):
    """Write a dump; an interrupted write leaves nothing behind.

    Args:
        path: of the .npz.
        rows: (N, S + 1) instance numbers.
        points: N arrays (K, 2) or one (N, K, 2): x, y in pixels of the original image.
        meta: JSON-able: `dict(dataset.source, ...)` of the `MP100Dataset` that the rows number.

    Raises:
        CapekitError: counts that do not fit, a `meta` without the source, or a place that cannot be written.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if len(points) != len(rows):
        raise CapekitError(f'{path}: {len(points)} predictions for {len(rows)} rows')
    _check_source(path, meta)
    padded = np.full((len(rows), max((len(row) for row in points), default=0), 2), np.nan, dtype=np.float32)
    for n, row in enumerate(points):
        padded[n, :len(row)] = np.asarray(row)
    with atomic_write(path) as file:
        np.savez_compressed(file, rows=rows, points=padded, meta=np.array(json.dumps(meta)))


def load_predictions(path: str | os.PathLike) -> Predictions:
    """Read a dump.

    Raises:
        CapekitError: no such file, or not a dump of `save_predictions`.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            loaded = Predictions(rows=arrays['rows'], points=arrays['points'], meta=json.loads(str(arrays['meta'])))
    except FileNotFoundError:
        raise CapekitError(f'{path}: no such dump of predictions') from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise CapekitError(f'{path}: not a dump of predictions with rows, points and meta '
                           f'({str(error).splitlines()[0][:80]})') from None
    _check_source(path, loaded.meta)
    return loaded


def dataset_of(predictions: Predictions, ann_file: Sequence | None = None) -> MP100Dataset:
    """The data set that a dump's rows number, made again from its annotation files.

    Args:
        predictions: a dump.
        ann_file: where the annotation files are now, in the dump's order; None = where they were.

    Raises:
        CapekitError: the files are gone or are not the ones that were predicted on.
    """
    source = predictions.meta
    files = list(ann_file or source['ann_files'])
    gone = [file for file in files if not os.path.isfile(file)]
    if gone:
        raise CapekitError(f'{gone[0]}: the annotation file of this dump is not there; say where it is with --ann-file')
    dataset = MP100Dataset(files, images=source['images'], categories=source['categories'],
                           missing_images='error' if source['images'] is None else 'skip')
    for file, now, then in zip(files, dataset.source['sha256'], source['sha256'], strict=False):
        if now != then:
            raise CapekitError(f'{file}: sha256 {now[:12]} is not the annotation file of this dump ({then[:12]})')
    if dataset.source['instances'] != source['instances'] or len(files) != len(source['sha256']):
        raise CapekitError(f'{", ".join(files)}: other instances than those this dump was made on; it needs '
                           f'{len(source["sha256"])} annotation file(s), and the same pictures where missing ones were '
                           'skipped')
    return dataset


def _check_source(path: str | os.PathLike, meta: dict):
    missing = [key for key in SOURCE_KEYS if key not in meta]
    if missing:
        raise CapekitError(f"{path}: the dump's meta lacks {missing[0]!r} of the data set's source; it has "
                           f'{list(meta)}')


def _headline(report: dict) -> str:
    return (f'{len(report["categories"])} categories, {report["shots"]} shot(s), {report["rows"]} rows, '
            f'{report["unscored_rows"]} of them without a keypoint to score (count as 0); PCK and AUC in percent, EPE '
            'in pixels')


def _table(report: dict, style: str) -> str:
    overall = report['overall']['metrics']
    intervals = [_interval(name, metric) for name, metric in overall.items()]
    lines = [_line('overall', dict(rows=report['rows'], metrics=overall)),
             [f'{report["confidence"]:.0%} interval', '', *intervals]]
    lines += [_line(record['name'], record) for record in report['supercategories']]
    lines += [_line(f'{record["name"]} ({record["id"]})', record) for record in report['categories']]
    return _tabulate(lines, ['', 'rows', *overall], style)


def _line(title: str, record: dict) -> list:
    return [title, record['rows'], *(_number(name, metric['value']) for name, metric in record['metrics'].items())]


def _tabulate(lines: list, headers: list, style: str) -> str:
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True,
                    colalign=['left'] + ['right'] * (len(headers) - 1))


def _number(name: str, value: float, sign: str = '') -> str:
    """A metric in the unit of the tables: percent, but for NME (share of the box) and EPE (pixels)."""
    if name == 'NME':
        return f'{value:{sign}.4f}'
    return f'{value:{sign}.2f}' if name == 'EPE' else f'{100 * value:{sign}.2f}'


def _interval(name: str, metric: dict, sign: str = '') -> str:
    return f'{_number(name, metric["low"], sign)}..{_number(name, metric["high"], sign)}'


def _finite(data):
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
