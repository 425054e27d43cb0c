"""HDF5 files: opened with one line of error, written whole."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .format import library


@contextmanager
def opened(path: str, what: str) -> Iterator[Any]:
    """An HDF5 file that is read in the block; content that is not as the block expects is an error.

    Raises:
        CapekitError: h5py is not installed, or the file is not `what`.
    """
    h5py = library('h5py')
    try:
        with h5py.File(path, 'r') as file:
            yield file
    except CapekitError:
        raise
    except Exception as error:  # a damaged file may fail in any way
        raise CapekitError(f'not {what} ({type(error).__name__}: {error})') from None


def write_whole(path: str, fill: Callable[[Any], None]) -> None:
    """Write the file that `fill` makes in an open, empty HDF5 file.

    Raises:
        CapekitError: h5py is not installed, or the file cannot be written.
    """
    buffer = io.BytesIO()
    with library('h5py').File(buffer, 'w') as file:
        fill(file)
    with atomic_write(path) as target:
        target.write(buffer.getvalue())


def text(value: Any) -> str:
    """A string, which HDF5 files hold as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
