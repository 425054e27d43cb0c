"""Predictions in a file from which any metric can be computed without the model or images.

A dump is an .npz without pickled objects: `rows` (N, S + 1) int64, those of a test plan; `points` (N, Kmax, 2) float32
in pixels of the original image and `scores` (N, Kmax) float32, both nan where a row has no such keypoint; and `meta`, a
JSON text with the entries of the data set's `source` and, as `queries`, the number of successive rows per episode.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from capekit.choices import Size, refuse_invalid
from capekit.datasets.dataset import MP100Dataset
from capekit.datasets.episodes import TestPlan
from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError
from capekit.evaluation.scores import by_row
from capekit.files import atomic_write, check_unpacked_size

SOURCE: dict[str, Any] = dict(ann_files=list[str], sha256=list[str], categories=str | list[int] | None,
                              images=str | None, instances=str)
"""Entries of `MP100Dataset.source` in a dump's meta, with their types."""


@dataclass
class Predictions:
    """A dump, loaded."""

    plan: TestPlan
    """Its episodes."""
    points: np.ndarray
    """(N, Kmax, 2) float32 x, y in pixels of the original image, padded with nan."""
    scores: np.ndarray
    """(N, Kmax) float32 confidence of the points, padded with nan; all nan if the method gives none."""
    meta: dict
    """The entries of `MP100Dataset.source`, `queries`, and whatever the writer added (config, checkpoint, ...)."""

    @property
    def rows(self) -> np.ndarray:
        """(N, S + 1) int64 instance numbers, the query last."""
        return self.plan.rows


def save_predictions(path: str | os.PathLike, plan: TestPlan, points: Sequence, meta: dict,
                     scores: np.ndarray | None = None):
    """Write a dump; an interrupted write leaves nothing behind.

    Args:
        path: of the .npz file.
        plan: E episodes of Q queries.
        points: (E, Q, Kmax, 2), or for `plan.rows` N arrays (K, 2) or one (N, K, 2): x, y in pixels of the original
            image.
        meta: JSON-able: `dict(dataset.source, ...)` for the `MP100Dataset` whose instances the plan numbers.
        scores: (E, Q, Kmax) confidence of the points; None if the method gives none.

    Raises:
        CapekitError: counts that do not match, a `meta` without the source, or a path that cannot be written.
    """
    rows, points = plan.rows, by_row(plan, points, 2)
    if len(points) != len(rows):
        raise CapekitError(f'{path}: {len(points)} predictions for {len(rows)} rows')
    meta = dict(meta, queries=plan.queries.shape[1])
    _check_meta(path, meta)
    padded = np.full((len(rows), max((len(row) for row in points), default=0), 2), np.nan, dtype=np.float32)
    for n, row in enumerate(points):
        padded[n, :len(row)] = np.asarray(row)
    scores = np.full(padded.shape[:2], np.nan) if scores is None else by_row(plan, scores, 1)
    if scores.shape != padded.shape[:2]:
        raise CapekitError(f'{path}: scores of shape {scores.shape} for points of shape {padded.shape}')
    with atomic_write(path) as file:
        np.savez_compressed(file, rows=rows, points=padded, scores=scores.astype(np.float32),
                            meta=np.array(json.dumps(meta)))


def load_predictions(path: str | os.PathLike) -> Predictions:
    """Read a dump.

    Raises:
        CapekitError: the file does not exist, unpacks to far more than it is, or is not a dump of `save_predictions`.
    """
    try:
        check_unpacked_size(path)
        with np.load(path, allow_pickle=False) as arrays:
            # An entry that is no array is given as bytes.
            rows, points, meta = (np.asarray(arrays[name]) for name in ('rows', 'points', 'meta'))
            scores = (np.asarray(arrays['scores']) if 'scores' in arrays
                      else np.full(points.shape[:2], np.float32(np.nan)))
            meta = json.loads(str(meta))
    except FileNotFoundError:
        raise CapekitError(f'{path}: no such dump of predictions') from None
    except CapekitError:
        raise
    except Exception as error:  # a damaged file may fail in any way
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CapekitError(f'{path}: not a dump of predictions with rows, points, scores and meta '
                           f'({reason:.80})') from None
    if (rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind not in 'iu' or points.ndim != 3
            or points.shape[::2] != (len(rows), 2) or scores.shape != points.shape[:2]
            or points.dtype.kind != 'f' or scores.dtype.kind != 'f'):
        raise CapekitError(f'{path}: rows {rows.shape} {rows.dtype}, points {points.shape} {points.dtype} and scores '
                           f'{scores.shape} {scores.dtype} do not match; expected whole numbers (N, shots + 1), real '
                           'ones (N, K, 2) and (N, K)')
    _check_meta(path, meta)
    try:
        return Predictions(TestPlan.from_rows(rows, meta['queries']), points, scores, meta)
    except CapekitError as error:
        raise CapekitError(f'{path}: {error}') from None


def dataset_of(predictions: Predictions, ann_file: Sequence | None = None,
               images: str | os.PathLike | None = None) -> MP100Dataset:
    """The data set whose instances a dump's rows number, rebuilt from its annotation files.

    Args:
        predictions: a dump.
        ann_file: where the annotation files are now, in the dump's order; None = unchanged.
        images: the folder of the images, to draw them; None = none are needed.

    Raises:
        CapekitError: the files or images are missing, or the files are not those used for the predictions.
    """
    source = predictions.meta
    files = list(ann_file or source['ann_files'])
    gone = [file for file in files if not os.path.isfile(file)]
    if gone:
        raise CapekitError(f'{gone[0]}: the annotation file of this dump is missing; give its path with --ann-file')
    dataset = MP100Dataset(files, images=images or source['images'], categories=source['categories'],
                           missing_images='error' if source['images'] is None else 'skip',
                           # Absent from dumps of version 0.1.0.
                           exclude=source.get('exclude'), **source['reading'])
    for file, now, then in zip(files, dataset.source['sha256'], source['sha256'], strict=False):
        if now != then:
            raise CapekitError(f'{file}: sha256 {now[:12]} is not the annotation file of this dump ({then[:12]})')
    if dataset.source['instances'] != source['instances'] or len(files) != len(source['sha256']):
        raise CapekitError(f'{", ".join(files)}: other instances than those this dump was made on; it needs '
                           f'{len(source["sha256"])} annotation file(s), and the same images where missing ones were '
                           'skipped')
    return dataset


def _check_meta(path: str | os.PathLike, meta: dict):
    if not isinstance(meta, dict):
        raise CapekitError(f"{path}: the dump's meta is not a dict but {meta!r:.60}")
    needed = {**SOURCE, 'queries': Size}
    missing = [key for key in needed if key not in meta]
    if missing:
        raise CapekitError(f"{path}: the dump's meta lacks {missing[0]!r}; it has {list(meta)}")
    reading = meta.setdefault('reading', {})  # not in 0.1.0
    refuse_invalid(meta, {**needed, 'exclude': list[str], 'reading': dict}, f"{path}: the dump's meta: ")
    settings = {field.name: field.type for field in fields(ReadSettings)}
    for name in reading.keys() - settings.keys():
        raise CapekitError(f"{path}: the dump's meta: reading: unknown setting {name!r}; valid: {', '.join(settings)}")
    refuse_invalid(reading, settings, f"{path}: the dump's meta: reading: ")
    for name in filter(None, (*meta['ann_files'], *meta.get('exclude', ()), meta['images'])):
        try:
            os.stat(name)
        except OSError:  # it may have moved
            pass
        except ValueError as error:
            raise CapekitError(f"{path}: the dump's meta: {name!r} is not a path ({error})") from None
