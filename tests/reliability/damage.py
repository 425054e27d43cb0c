"""Sound files of every kind that capekit reads, and ways to damage them. Every choice is drawn from one `random.Random`."""

import copy
import io
import json
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

HOSTILE = [
    None, True, False, 0, -1, 1, 0.5, -1e9, 1e308, 2 ** 31, 2 ** 63, -2 ** 63, 10 ** 400, float('nan'), float('inf'), '', 'x',
    '1', '../x.jpg', '/etc/passwd', 'a\nb', '\x1b[31m', '\ud800', 'x' * 5000, [], [[]], [0], [None], ['x'], [1e308] * 4,
    [float('nan')] * 4, {}, {'id': 1}, [[0, 1]] * 3, [0, 0], [1, 2, 3, 4], list(range(12))]
ARRAYS = [
    np.zeros((0, 2), np.int64), np.zeros(3), np.zeros((2, 2), complex), np.array(['x']), np.array(3), np.full((4, 3), -1),
    np.full((4, 3), 2 ** 40), np.zeros((4, 3), 'M8[s]'), np.zeros((2, 3), bool), np.zeros((4, 3, 2)), np.full((4, 3), np.nan)]


class Payload:
    """Unpickled by an unsafe reader, it makes the marker."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def annotation_file(content: dict) -> bytes:
    """An annotation file."""
    return json.dumps(content).encode()


def image_file(pixels: np.ndarray, suffix: str = '.png') -> bytes:
    """An image file of (H, W, 3) BGR pixels."""
    return cv2.imencode(suffix, pixels)[1].tobytes()


def checkpoint_file(content: Any, zipped: bool = True) -> bytes:
    """A checkpoint, in torch's present format or the one before."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def dump_file(arrays: dict) -> bytes:
    """A dump of predictions."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


FILE: dict[str, Callable[[Any], bytes]] = dict(
    annotation=annotation_file, image=image_file, checkpoint=checkpoint_file, dump=dump_file)


def bytes_damaged(rng: random.Random, data: bytes) -> bytes:
    """One to three of: cut short, bits flipped, a stretch overwritten, left out, doubled, zeroed, or put in."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 16, 300))
        before, stretch, after = data[:at], data[at:at + length], data[at + length:]
        data = rng.choice((
            before, before + bytes(255 - byte for byte in stretch) + after, before + rng.randbytes(length) + after,
            before + after, before + stretch * 2 + after, before + bytes(len(stretch)) + after,
            before + rng.randbytes(length) + stretch + after, before + b'\xff' * len(stretch) + after))
    return data


def nested_damaged(rng: random.Random, content: Any) -> Any:
    """A copy of nested dicts and lists in which one to three values are replaced, left out, doubled or exchanged."""
    root = [copy.deepcopy(content)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        owner, key = rng.choice(list(_places(root)))
        match rng.randrange(5):
            case 0 | 1:
                owner[key] = copy.deepcopy(rng.choice(HOSTILE))
            case 2 if owner is not root:
                del owner[key]
            case 3 if isinstance(owner, list) and owner is not root:
                owner.insert(key, copy.deepcopy(owner[key]))
            case _:
                other, place = rng.choice(list(_places(root)))
                owner[key] = copy.deepcopy(other[place])
    return root[0]


def _places(owner: Any):
    """(container, key or index) of every value inside; of a long list, its first ten."""
    for key in list(owner) if isinstance(owner, dict) else range(min(len(owner), 10)):
        yield owner, key
        if isinstance(owner[key], (dict, list)):
            yield from _places(owner[key])


def annotation(rng: random.Random, sound: dict, marker: Path) -> bytes:
    """An annotation file: its bytes damaged, or its records."""
    if rng.random() < 0.3:
        return bytes_damaged(rng, annotation_file(sound))
    if rng.random() < 0.02:
        return b'[' * 10 ** 5
    return annotation_file(nested_damaged(rng, sound))


def image(rng: random.Random, sound: np.ndarray, marker: Path) -> bytes:
    """An image file of a random format, its bytes damaged."""
    pixels = sound if rng.random() < 0.8 else sound.astype(np.uint16) * 257
    suffix = rng.choice(('.jpg', '.jpg', '.png', '.png', '.bmp', '.tiff', '.webp'))
    if suffix in ('.jpg', '.bmp', '.webp'):
        pixels = sound
    return bytes_damaged(rng, image_file(pixels, suffix))


def checkpoint(rng: random.Random, sound: dict, marker: Path) -> bytes:
    """A checkpoint: its bytes damaged, its content, or with code in it."""
    content, kind = sound, rng.random()
    if kind < 0.5:
        content = nested_damaged(rng, content)
    elif kind < 0.7:
        content = copy.deepcopy(content)
        owner, key = rng.choice(list(_places(content)))
        owner[key] = rng.choice((Payload(marker), f"x = __import__('os').mkdir({str(marker)!r})"))
    if rng.random() < 0.2:
        data = pickle.dumps(content, protocol=rng.choice((0, 2, 4)))
    else:
        data = checkpoint_file(content, zipped=rng.random() < 0.7)
    if data[:2] == b'PK' and rng.random() < 0.2:
        data = _entry_damaged(rng, data)
    return bytes_damaged(rng, data) if kind >= 0.7 else data


def dump(rng: random.Random, sound: dict, marker: Path) -> bytes:
    """A dump of predictions: its bytes damaged, its arrays or its text, or with code in it."""
    arrays, kind = dict(sound), rng.random()
    if kind < 0.2:
        name = rng.choice(sorted(arrays))
        arrays[name] = rng.choice(ARRAYS)
    elif kind < 0.5:
        arrays['meta'] = np.array(json.dumps(nested_damaged(rng, json.loads(str(arrays['meta'])))))
    elif kind < 0.6:
        arrays[rng.choice(sorted(arrays))] = np.array([Payload(marker)], dtype=object)
    elif kind < 0.7:
        del arrays[rng.choice(sorted(arrays))]
    data = dump_file(arrays)
    if rng.random() < 0.2:
        data = _entry_damaged(rng, data)
    return bytes_damaged(rng, data) if kind >= 0.7 else data


def _entry_damaged(rng: random.Random, data: bytes) -> bytes:
    """A zip archive with a whole checksum in which one entry is damaged."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, 'w') as target:
        chosen = rng.choice(source.namelist())
        for entry in source.infolist():
            content = source.read(entry)
            target.writestr(entry.filename, bytes_damaged(rng, content) if entry.filename == chosen else content)
    return buffer.getvalue()


DAMAGE: dict[str, Callable[[random.Random, Any, Path], bytes]] = dict(
    annotation=annotation, image=image, checkpoint=checkpoint, dump=dump)
