"""Files that are written completely or not at all, and archives that are not opened if they would fill the memory."""

import errno
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from capekit.errors import CapekitError

UNPACKED_LIMIT = 'CAPEKIT_MAX_UNPACKED_GIB'
"""Environment variable: GiB that a compressed file may unpack to; 1 by default."""
PARTIAL = '.partial'
"""How the names of files that are being written end; they start with a dot."""


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file object whose content is at `path` once the block ends without an error; creates the folder.

    A killed process leaves `.<name>.<random>.partial` behind, which `remove_partial` removes.

    Raises:
        CapekitError: the folder or file cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(PARTIAL, f'.{os.path.basename(path)}.', folder)
        with os.fdopen(handle, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner may read.
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except OSError as error:
        raise CapekitError(f'{path}: cannot be written ({error.strerror or error})') from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def remove_partial(folder: str | os.PathLike) -> None:
    """Remove what killed processes left of files that they were writing into a folder."""
    for path in Path(folder).glob(f'.*{PARTIAL}'):
        if path.is_file():
            path.unlink()


def check_writable(path: str | os.PathLike, option: str, folder: bool = False) -> None:
    """Make sure that a file, or with `folder` files in a folder, can be written there later; writes nothing.

    Raises:
        CapekitError: names `option` and says why not.
    """
    target = os.path.abspath(path)
    try:
        if os.path.isdir(target) and not folder:
            raise IsADirectoryError(errno.EISDIR, 'it is a folder')
        with suppress(FileNotFoundError):
            os.lstat(target)  # refuses names that are too long, and parents that are files
        existing = target if folder else os.path.dirname(target)
        while not os.path.lexists(existing):
            existing = os.path.dirname(existing)
        with tempfile.TemporaryFile(dir=existing):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise CapekitError(f'{option} {path}: cannot be written ({reason})') from None


def umask() -> int:
    """The permissions that this process denies to new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | os.PathLike, data):
    """Write JSON-able data and NumPy values, completely or not at all. Non-finite numbers become null.

    Raises:
        CapekitError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write((json.dumps(_finite(data), indent=2, allow_nan=False) + '\n').encode())


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file.

    Raises:
        CapekitError: it cannot be read, or is not JSON.
    """
    with _named(path), open(path, encoding='utf-8-sig') as file:
        return json.load(file)


def read_json_lines(path: str | os.PathLike) -> list:
    """The content of a file with JSON on every line.

    Raises:
        CapekitError: it cannot be read, or a line is not JSON.
    """
    with _named(path), open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    result = []
    for number, line in enumerate(lines, 1):
        with _named(f'{path}, line {number}'):
            result.append(json.loads(line))
    return result


@contextmanager
def _named(what: str | os.PathLike) -> Iterator[None]:
    """Errors of reading JSON as one line that begins with `what`."""
    try:
        yield
    except OSError as error:
        raise CapekitError(f'{what}: cannot be read ({error.strerror or error})') from None
    except json.JSONDecodeError as error:
        raise CapekitError(f'{what}: invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}') from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, a very deep list
        raise CapekitError(f'{what}: invalid JSON ({error})') from None


def check_unpacked_size(path: str | os.PathLike, member: str | None = None) -> None:
    """Refuse a zip archive (.pth, .npz) that declares more content than `UNPACKED_LIMIT` and than its own size.

    What is not an archive passes: its reader will say what is wrong with it.

    Args:
        path: the file.
        member: the only one that will be unpacked; None = all.

    Raises:
        CapekitError: too much content, or a damaged archive.
    """
    with open(path, 'rb') as file:
        if file.read(2) != b'PK' and not zipfile.is_zipfile(file):
            return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist() if member in (None, entry.filename))
    except Exception as error:  # a damaged file may fail in any way
        raise CapekitError(f'{path}: a damaged archive ({error})') from None
    try:
        limit = float(os.environ.get(UNPACKED_LIMIT, 1))
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise CapekitError(f'{UNPACKED_LIMIT}={os.environ[UNPACKED_LIMIT]!r} must be a number above 0')
    size = os.path.getsize(path)
    if unpacked > max(limit * 2 ** 30, size):
        raise CapekitError(f'{path}: {size / 1e6:.1f} MB that unpacks to {unpacked / 1e6:.1f} MB is refused; if you '
                           f'trust it, set {UNPACKED_LIMIT} above {unpacked / 2 ** 30:.2f}')


def _finite(data):
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if isinstance(data, (np.ndarray, np.generic)):
        return _finite(data.tolist())
    return None if isinstance(data, float) and not math.isfinite(data) else data
