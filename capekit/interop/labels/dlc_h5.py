"""HDF5 files of DeepLabCut: what it trains on, and what it predicts. Needs pandas and tables (`capekit[dlc]`)."""

import importlib
import io
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .dlc import HELD, likelihood_wanted
from .dlc_table import LABELLED_DATA, LEVELS, Table, individuals_of, to_labels, to_table
from .format import NAMES, SEVERAL, Format, library
from .labelset import LabelSet

KEY = 'df_with_missing'
PLAIN = {(f'numpy.{core}.multiarray', 'scalar') for core in ('core', '_core')} | {('numpy', 'dtype')}
"""What the pickles in a file may name beside Python's own values: module and name."""


def read_dlc_h5(path: str, *, video: str | None = None) -> LabelSet:
    """Labels (`CollectedData_<scorer>.h5`) or predictions of DeepLabCut. Nothing in the file is executed.

    Args:
        path: the file.
        video: the video that the frames of predictions are of; None is the name that the file has from it.
    """
    pandas, tables = _libraries()
    try:
        with _plain_pickles():
            frame = pandas.read_hdf(path)
    except (tables.HDF5ExtError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CapekitError(f'cannot be read as a table of pandas ({str(error).splitlines()[-1]})') from None
    levels = list(frame.columns.names)
    if levels not in LEVELS:
        raise CapekitError(f'the levels of its columns are {levels}; expected scorer, [individuals], bodyparts, coords')
    rows: list[Any] = ['/'.join(map(str, row)) if isinstance(row, tuple) else row for row in frame.index]
    rows = [int(row) if isinstance(row, (int, np.integer)) else str(row).replace('\\', '/') for row in rows]
    return to_labels(path, Table([tuple(map(str, column)) for column in frame.columns], rows,
                                 frame.to_numpy(dtype=np.float64)), video)


def write_dlc_h5(path: str, labels: LabelSet, *, scorer: str = 'capekit', folder: str | None = None,
                 likelihood: bool = False) -> None:
    """The same table as `write_dlc`, with the same arguments, in the file that DeepLabCut trains on."""
    pandas, _ = _libraries()
    table = to_table(path, labels, scorer, folder, likelihood_wanted(path, labels, likelihood),
                     individuals_of(path, labels))
    frames = bool(table.rows) and isinstance(table.rows[0], int)
    index: Any = table.rows
    if not frames and all(LABELLED_DATA.fullmatch(str(row)) for row in table.rows):
        index = pandas.MultiIndex.from_tuples([tuple(str(row).split('/')) for row in table.rows])
    columns = pandas.MultiIndex.from_tuples(table.columns, names=LEVELS[len(table.columns[0]) == 4])
    # In memory: the file at `path` is whole or absent.
    with pandas.HDFStore(os.path.basename(path), mode='w', driver='H5FD_CORE', driver_core_backing_store=0) as store:
        store.put(KEY, pandas.DataFrame(table.values, index=index, columns=columns),
                  format='table' if frames else 'fixed', track_times=False)
        data = store._handle.get_file_image()
    with atomic_write(path) as file:
        file.write(data)


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, refused: list[str], encoding: str):
        super().__init__(io.BytesIO(data), encoding=encoding)
        self.refused = refused

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PLAIN:
            self.refused.append(f'{module}.{name}')
            raise pickle.UnpicklingError(f'{module}.{name} is not a plain value')
        return super().find_class(module, name)


@contextmanager
def _plain_pickles() -> Iterator[None]:
    """PyTables unpickles attributes and arrays of objects; within this, only values that cannot run anything.

    Raises:
        CapekitError: at the end, if anything else was met, which PyTables passes over.
    """
    refused: list[str] = []

    def loads(data: bytes, *, encoding: str = 'ASCII') -> Any:
        return _PlainUnpickler(data, refused, encoding).load()
    plain = SimpleNamespace(loads=loads, dumps=pickle.dumps, UnpicklingError=pickle.UnpicklingError,
                            HIGHEST_PROTOCOL=pickle.HIGHEST_PROTOCOL)
    users = [importlib.import_module(name) for name in ('tables.attributeset', 'tables.atom')]
    for module in users:
        vars(module)['pickle'] = plain
    try:
        yield
    finally:
        for module in users:
            vars(module)['pickle'] = pickle
        if refused:
            raise CapekitError(f'holds pickled code ({refused[0]!r}), which is not run')


def _libraries() -> tuple[Any, Any]:
    return library('pandas'), library('tables')


DLC_H5 = Format('dlc-h5', 'DeepLabCut H5', read_dlc_h5, write_dlc_h5, HELD | {SEVERAL, NAMES},
                libraries=('pandas', 'tables'))
