"""Crops kept in a file, so that an image of many megapixels is decoded once and not in every epoch."""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from mmengine.logging import print_log

from capekit.choices import Positive, Range, checked
from capekit.errors import CapekitError

VERSION = 1


class CropCache:
    """A file of square crops by instance number, filled as they are asked for.

    Its name holds a fingerprint of what the crops depend on: annotations, settings, crop size, and the size and time of
    every image file. If any of these changes there is another file, and the one before is removed. A crop counts only
    with its checksum, so neither a killed process nor two that write at once leave a wrong one. A full disk ends the
    filling, not the run.

    Args:
        folder: for the file; created.
        gib: largest size of a data set's file, in GiB; instances beyond it are decoded every time.
        margin: None (default) keeps the crops that a model sees without geometric augmentation, byte for byte, and
            decodes for others. A number keeps larger squares, of this many times the side, at the same resolution, and
            cuts augmented crops from them: every epoch is served, but such crops are interpolated twice, not byte for
            byte those without a cache, and empty beyond the margin. 1.6 is enough for the default `ScaleRotation`.
            Crops without geometric augmentation are then decoded.

    Raises:
        CapekitError: a setting out of its range.
    """

    @checked
    def __init__(self, folder: str | os.PathLike, gib: Positive = 8.0,
                 margin: Annotated[float, Range(low=1)] | None = None):
        self.folder, self.gib, self.margin = Path(folder), gib, margin
        self._open: tuple | None = None

    def prepare(self, name: str, facts: dict[str, Any], files: Sequence[str], count: int, image_size: int) -> None:
        """Choose the file; it is opened in every process that reads it.

        Args:
            name: of the data set; one file of that name is kept in the folder.
            facts: JSON-able, what else the crops depend on.
            files: paths of the images.
            count: number of instances.
            image_size: side of a model's crops in pixels.

        Raises:
            CapekitError: an image is missing, or the folder cannot be written.
        """
        self.side = image_size if self.margin is None else round(image_size * self.margin)
        name = _digest([name, image_size, self.margin])[:12]
        try:
            states = [(path, state.st_size, state.st_mtime_ns) for path in files for state in (os.stat(path),)]
            self.path = self.folder / f'{name}-{_digest([VERSION, facts, self.side, states])[:20]}.crops'
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob(f'{name}-*.crops'):
                if path != self.path:
                    path.unlink(missing_ok=True)  # who still reads it keeps it until the end
        except OSError as error:
            raise CapekitError(f'crop_cache: {error.filename or self.folder}: {error.strerror or error}') from None
        self._bytes = 3 * self.side ** 2
        self.kept = min(count, int(self.gib * 2 ** 30) // (self._bytes + 4))

    def get(self, i: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The (side, side, 3) uint8 crop of instance `i`, from `make()` if it is not yet there."""
        if i >= self.kept:
            return make()
        file, sums, crops = self._opened()
        stated = int(sums[i])
        if stated:
            crop = np.array(crops[i])
            if _checksum(crop) == stated:
                return crop
        crop = np.ascontiguousarray(make())
        try:
            # Written, not stored through the mapping: there a full disk would kill the process.
            os.pwrite(file, crop.tobytes(), 4 * self.kept + i * self._bytes)
            os.pwrite(file, np.uint32(_checksum(crop)).tobytes(), 4 * i)
        except OSError as error:
            print_log(f'crop_cache: {self.path}: {error.strerror}; images are decoded again', 'current',
                      logging.WARNING)
            self.kept = 0
        return crop

    def _opened(self) -> tuple:
        """The file's number, its checksums (kept,) uint32 and its crops (kept, side, side, 3)."""
        if self._open is None:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
                # The same length whoever is first; what nobody wrote is zeros and takes no space.
                os.ftruncate(file, self.kept * (4 + self._bytes))
            except OSError as error:
                raise CapekitError(f'crop_cache: {self.path}: cannot be written ({error.strerror})') from None
            whole = np.memmap(self.path, np.uint8, 'r')
            split = 4 * self.kept
            self._open = (file, whole[:split].view(np.uint32), whole[split:].reshape(-1, self.side, self.side, 3))
        return self._open

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _open=None)  # a process that is sent a copy opens the file itself


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _checksum(crop: np.ndarray) -> int:
    """Never 0, which stands for a crop that is not there."""
    return zlib.crc32(crop.data) or 1
