"""Files that are written completely or not at all: written beside their place, then renamed."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from capekit.errors import CapekitError


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file object whose content is at `path` once the block ends without an error; creates the folder.

    Raises:
        CapekitError: the folder or file cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f'.{os.path.basename(path)}.')
        with os.fdopen(handle, 'wb') as file:
            yield file
        # mkstemp makes files that only their owner may read.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise CapekitError(f'{path}: cannot be written ({error.strerror or error})') from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def write_json(path: str | os.PathLike, data):
    """Write JSON-able data and NumPy values, completely or not at all. Non-finite numbers become null.

    Raises:
        CapekitError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write((json.dumps(_finite(data), indent=2, allow_nan=False) + '\n').encode())


def _finite(data):
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if isinstance(data, (np.ndarray, np.generic)):
        return _finite(data.tolist())
    return None if isinstance(data, float) and not math.isfinite(data) else data
