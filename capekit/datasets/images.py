"""From an image file to RGB pixels: checked before it is decoded, turned as a viewer shows it, scaled to 8 bits."""

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError, one_line

DEFAULT = ReadSettings()
LONGEST_SIDE = 32766
"""OpenCV warps images up to this side."""
ORIENTATION = 0x0112
REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
JPEG_START, JPEG_END, PNG_END = b'\xff\xd8', b'\xff\xd9', b'IEND\xaeB`\x82'
# EXIF orientation -> quarter turns counter-clockwise, after which it is mirrored left to right or not.
TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
BACK = {6: 8, 8: 6}
DECODERS = (b'JPEG', b'libpng', b'TIFF', b'[ WARN', b'[ERROR')
"""In what image decoders print."""


@dataclass(frozen=True)
class Header:
    """What an image file says before it is decoded."""

    size: tuple[int, int]
    """Width, height of the pixels as stored."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 = as stored."""
    turned: bool
    """OpenCV decodes it as a viewer shows it, whatever it is told."""
    bits: int
    """Bits per channel that the file states, 16 where it states none and has more than 8."""

    def seen(self, settings: ReadSettings) -> tuple[int, int]:
        """Width, height of the pixels as they are read."""
        return self.size[::-1] if self.orientation > 4 and settings.orientation == 'viewer' else self.size


def read_image(path: str, settings: ReadSettings = DEFAULT, size: tuple[int, int] | None = None,
               reduction: int = 1) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the pixels of `cv2.imread` for an image of 8 bits per channel.

    Transparency is ignored. Deeper images are scaled by their number of bits. OpenCV fills what is missing of a
    truncated or damaged file with grey and only prints a warning; here that is an error.

    Args:
        path: of the file.
        settings: `orientation`, `bit_depth`, `max_pixels` and `damaged_images` are read.
        size: width, height that the annotation file states; None = not compared.
        reduction: 2, 4 or 8 decodes a JPEG to as many times fewer pixels per side, rounded up. It must not have an
            orientation that turns it.

    Raises:
        CapekitError: the file is missing, is not an image, is truncated, damaged or too large, or has another size.
    """
    data = _read_file(path)
    header = _read_header(path, io.BytesIO(data), settings, size)
    if settings.damaged_images == 'error':
        _check_complete(path, data)
    image, message = _decode(data, reduction)
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise CapekitError(f'{path}: damaged, or not an image that OpenCV can decode ({len(data)} bytes)')
    if 'Corrupt JPEG' in message and settings.damaged_images == 'error':
        raise CapekitError(f"{path}: damaged image file ({one_line(message)[:80]}); damaged_images='read' takes what "
                           'can be decoded')
    if image.dtype == np.uint16:
        image = _to_eight_bits(path, image, settings.bit_depth or header.bits, settings.bit_depth is not None)
    if (settings.orientation == 'viewer') != header.turned:
        orientation = BACK.get(header.orientation, header.orientation) if header.turned else header.orientation
        turns, mirrored = TURNS.get(orientation, (0, False))
        image = np.rot90(image, turns)
        image = image[:, ::-1] if mirrored else image
    if image.shape[1::-1] != tuple(-(-side // reduction) for side in header.seen(settings)):
        raise CapekitError(f'{path}: decodes to {image.shape[1]} x {image.shape[0]} pixels, but its header says '
                           f'{header.size[0]} x {header.size[1]}')
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2RGB)


def check_header(path: str, settings: ReadSettings = DEFAULT, size: tuple[int, int] | None = None) -> Header:
    """What can be said of an image file without decoding it; see `read_image`."""
    try:
        with open(path, 'rb') as file:
            return _read_header(path, file, settings, size)
    except OSError as error:
        raise CapekitError(f'{path}: cannot read the image file ({error.strerror or error})') from None


def _read_file(path: str) -> bytes:
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        raise CapekitError(f'{path}: cannot read the image file ({error.strerror or error})') from None
    return data


def _read_header(path: str, file: BinaryIO, settings: ReadSettings, size: tuple[int, int] | None) -> Header:
    start = file.read(4096)
    if not start:
        raise CapekitError(f'{path}: the image file is empty')
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of images beyond Pillow's own limit, and of broken EXIF
            with Image.open(file) as image:
                orientation = _orientation(image)
                turned = image.format == 'TIFF'
                bits = _stated_bits(image, start)
                width, height = image.size
    except Image.DecompressionBombError as error:
        raise CapekitError(f'{path}: {one_line(error)}; larger images are not read') from None
    except Exception as error:  # Pillow raises many kinds for broken headers
        reason = '' if isinstance(error, OSError) else f' ({one_line(error)[:80]})'
        raise CapekitError(f'{path}: damaged, or not an image that can be read{reason}') from None
    orientation = orientation if orientation in TURNS else 1
    if turned and orientation > 4:  # Pillow gives these sizes as a viewer shows them
        width, height = height, width
    if width * height > settings.max_pixels:
        raise CapekitError(f'{path}: {width} x {height} pixels; max_pixels={settings.max_pixels} are allowed')
    if max(width, height) > LONGEST_SIDE:
        raise CapekitError(f'{path}: {width} x {height} pixels; sides up to {LONGEST_SIDE} can be read')
    header = Header((width, height), orientation, turned, bits)
    if size is not None and header.seen(settings) != tuple(size):
        raise CapekitError(f'{path}: {_other_size(header, settings, size)}')
    return header


def _orientation(image: Image.Image) -> int:
    if image.format != 'PNG':
        return image.getexif().get(ORIENTATION, 1)
    exif = Image.Exif()  # getexif() would decode the image
    exif.load(image.info.get('exif', b''))
    return exif.get(ORIENTATION, 1)


def _other_size(header: Header, settings: ReadSettings, size: tuple[int, int]) -> str:
    width, height = header.seen(settings)
    stated = f'{width} x {height} pixels, the annotation file says {size[0]} x {size[1]}'
    if header.orientation > 4 and header.seen(settings)[::-1] == tuple(size):
        if settings.orientation == 'viewer':
            return (f'{stated}: its EXIF orientation {header.orientation} turns it, the labels fit the stored pixels: '
                    "label it as a viewer shows it, or set orientation='stored'")
        return (f'{stated}: the labels fit the image as its EXIF orientation {header.orientation} turns it: '
                "set orientation='viewer'")
    swapped = ' (width and height swapped?)' if (height, width) == tuple(size) else ''
    return f'{stated}: another image?{swapped}'


def _stated_bits(image: Image.Image, start: bytes) -> int:
    """Bits per channel by PNG's sBIT, TIFF's MaxSampleValue and BitsPerSample, JPEG 2000's header; 16 by default."""
    if image.format == 'TIFF':
        tags = image.tag_v2  # type: ignore[attr-defined]
        largest = np.max(tags.get(281, 65535))
        return min(int(largest).bit_length(), int(np.max(tags.get(258, 16)))) if largest else 16
    name, offset = {'PNG': (b'sBIT', 4), 'JPEG2000': (b'\xff\x4f\xff\x51', 42)}.get(image.format or '', (b'', 0))
    place = start.find(name) if name else -1
    if place < 0 or place + offset >= len(start):
        return 16
    return start[place + offset] if image.format == 'PNG' else (start[place + offset] & 127) + 1


def _to_eight_bits(path: str, image: np.ndarray, bits: int, chosen: bool) -> np.ndarray:
    """Keep the 8 highest of `bits` bits."""
    largest = int(image.max())
    if largest >> bits:
        raise CapekitError(f'{path}: has the pixel value {largest}, more than {bits} bits hold; set bit_depth')
    if bits == 16 and not chosen and 0 < largest < 4096:
        raise CapekitError(f'{path}: 16 bits per channel, of which at most {largest.bit_length()} are used: set '
                           'bit_depth=12 (or 10, 14) if that is what the camera has, or bit_depth=16')
    return (image >> max(bits - 8, 0)).astype(np.uint8)


def _check_complete(path: str, data: bytes):
    """Raise if the image data end too early. A proper end marker settles it without decoding twice."""
    tail = data[-64:].rstrip(b'\x00\r\n')
    if data[:2] == JPEG_START and tail.endswith(JPEG_END) or tail.endswith(PNG_END):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data)) as image:
                image.load()
    except Exception as error:  # Pillow raises many kinds for broken files
        raise CapekitError(f'{path}: damaged or truncated image file ({one_line(error)[:80]})') from None


def can_be_reduced(path: str, settings: ReadSettings) -> bool:
    """Whether `reduction` is possible: for a JPEG that is seen as it is stored."""
    try:
        with open(path, 'rb') as file:
            return file.read(2) == JPEG_START and check_header(path, settings).orientation == 1
    except OSError:
        return False  # `read_image` says why


def _decode(data: bytes, reduction: int = 1) -> tuple[np.ndarray | None, str]:
    """(H, W, 3) BGR of 8 or 16 bits as stored, None if OpenCV cannot, and what the decoder printed."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    if reduction > 1:
        flags = REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    with _printed(os.getpid()) as lines:
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            image = None
    return image, lines[0] if lines else ''


@lru_cache(maxsize=1)
def _scratch(process: int) -> io.BufferedRandom:
    """A file for what this process prints; the number is there so that forked processes do not share one."""
    return tempfile.TemporaryFile()  # type: ignore[return-value]


@contextlib.contextmanager
def _printed(process: int) -> Iterator[list]:
    """Collect what C code prints on stderr: the JPEG decoder tells of damage in no other way."""
    lines: list[str] = []
    try:
        kept, file = os.dup(2), _scratch(process).fileno()
    except OSError:  # no stderr
        yield lines
        return
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.dup2(file, 2)
    try:
        yield lines
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.lseek(file, 0, os.SEEK_SET)
        printed = os.read(file, 2 ** 16)
        lines.append(printed.decode(errors='replace'))
        if printed and not any(name in printed for name in DECODERS):  # of another thread
            os.write(2, printed)
