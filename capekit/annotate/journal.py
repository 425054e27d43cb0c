"""What was labelled, as a list of changes: each is on disk before it is acknowledged, and none is ever overwritten."""

import fcntl
import json
import os
from pathlib import Path

from capekit.errors import CapekitError


class Journal:
    """An append-only file with one JSON object per line, held by one process at a time.

    A process killed while it writes leaves at most one line without its end. That change was never acknowledged; it is
    cut off when the file is opened again.

    Args:
        path: the file; it and its folder are created where they are missing.

    Raises:
        CapekitError: another process holds the file, or it cannot be written, or a line before the last is not JSON.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, 'a+b')
        except OSError as error:
            raise CapekitError(f'{path}: cannot be written ({error.strerror})') from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CapekitError(f'{path}: another capekit annotate has this project open; close it first') from None

    def read(self) -> list[dict]:
        """All changes so far, oldest first."""
        self._file.seek(0)
        whole, _, torn = self._file.read().rpartition(b'\n')
        if torn:
            self._file.truncate(len(whole) + 1 if whole else 0)
        changes = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                changes.append(json.loads(line))
            except (ValueError, RecursionError):
                raise CapekitError(f'{self.path}: line {number} is not a change; restore the file from a copy, or '
                                   'delete the line') from None
        return changes

    def append(self, change: dict) -> None:
        """Write a change and wait until it is on disk.

        Raises:
            CapekitError: the disk is full, or the file cannot be written; nothing of the change stays.
        """
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(json.dumps(change, allow_nan=False).encode() + b'\n')
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise CapekitError(f'{self.path}: cannot be written ({error.strerror})') from None

    def close(self) -> None:
        """Let another process open the file."""
        self._file.close()
