"""One process at a time: a lock that ends with the process that holds it, however that ends."""

import fcntl
import os
import socket
from pathlib import Path

from capekit.errors import CapekitError


class InUse(CapekitError):
    """Another process holds the lock."""


class Lock:
    """A lock on a file, held until `release` or until the process is gone. Its children do not hold it.

    The file stays where it is and holds the process's number and host, for people.

    Args:
        path: of the file; its folder exists.
        what: is named in the error.

    Raises:
        InUse: another process holds the lock.
        CapekitError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike, what: str):
        self._file = None
        try:
            # A record lock: unlike flock's, it is not inherited by data loader workers, which outlive a killed run.
            file = open(path, 'a+')
        except OSError as error:
            raise CapekitError(f'{path}: cannot be written ({error.strerror})') from None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read(200).strip()
            file.close()
            if not isinstance(error, (BlockingIOError, PermissionError)):
                return  # a file system without locks
            raise InUse(f'{what} is in use by {holder or "another process"}; wait for it, or choose another '
                               'folder') from None
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None


def remove_abandoned(folder: Path, pattern: str, name: str, remove) -> None:
    """Call `remove(path)` for the folders in `folder` that match `pattern` and whose lock `name` nobody holds.

    A folder without that lock is somebody else's and stays.
    """
    for path in folder.glob(pattern):
        if (path / name).is_file():
            try:
                Lock(path / name, str(path)).release()
            except CapekitError:
                continue
            remove(path)
