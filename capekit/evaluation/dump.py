"""Predictions in a file, that any metric can be computed from without the model and without images.

A dump is an .npz without pickled objects: `rows` (N, S + 1) int64, `points` (N, Kmax, 2) float32 in pixels of the
original image (nan where a row has no such keypoint), and `meta`, a JSON text that holds the entries of the data set's
`source`.
"""

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capekit.datasets.dataset import MP100Dataset
from capekit.errors import CapekitError
from capekit.files import atomic_write

SOURCE_KEYS = ('ann_files', 'sha256', 'categories', 'images', 'instances')


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
                           f'{len(source["sha256"])} annotation file(s), and the same images where missing ones were '
                           'skipped')
    return dataset


def _check_source(path: str | os.PathLike, meta: dict):
    missing = [key for key in SOURCE_KEYS if key not in meta]
    if missing:
        raise CapekitError(f"{path}: the dump's meta lacks {missing[0]!r} of the data set's source; it has "
                           f'{list(meta)}')
