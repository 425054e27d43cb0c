"""Reads damaged files: each must be read or refused in one line, and nothing in it may run.

    python -m tests.reliability.fuzz --files 5000

A file is a function of (seed, kind, number); `--kind KIND --number N` reads one of them again and `--keep DIR` writes those
that failed.
"""

import argparse
import contextlib
import json
import logging
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT)]

from coco_files import content, write, write_images  # noqa: E402

from capekit.checkpoint import load_weights, read_checkpoint  # noqa: E402
from capekit.datasets import MP100Dataset, released_test_plan  # noqa: E402
from capekit.datasets.audit import audit  # noqa: E402
from capekit.datasets.episodes import EpisodeKey  # noqa: E402
from capekit.errors import CapekitError  # noqa: E402
from capekit.evaluation import evaluate, load_predictions, save_predictions  # noqa: E402
from capekit.evaluation.dump import dataset_of  # noqa: E402
from capekit.interop import convert  # noqa: E402
from tests.reliability.damage import DAMAGE, FILE  # noqa: E402

SECONDS = 20
"""A file that takes longer to read is a failure."""


class Fuzz:
    """Sound files in a folder, and what reads the damaged ones.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path):
        self.folder, self.marker = folder, folder / 'it ran'
        data = content(per_category=3)
        self.sound_labels = write(folder / 'sound.json', data)
        write_images(folder / 'images', data)
        first = folder / 'images' / data['images'][0]['file_name']
        self.file = {'annotation': folder / 'labels.json', 'image': first, 'checkpoint': folder / 'model.pth',
                     'dump': folder / 'dump.npz'}
        self.read: dict[str, Callable[[Path], object]] = {
            'annotation': self._read_annotation, 'image': self._read_image, 'checkpoint': self._read_checkpoint,
            'dump': self._read_dump}
        self.sound = {'annotation': data, 'image': cv2.imread(str(first)), 'checkpoint': self._checkpoint(),
                      'dump': self._dump()}
        self.intact = first.read_bytes()

    @staticmethod
    def _checkpoint() -> dict:
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters())
        return dict(state_dict=dict(model.state_dict()), meta=dict(epoch=1, iter=3, seed=0, config='x = 1', words=['a', 2.0]),
                    optimizer=optimizer.state_dict(), message_hub=dict(log_scalars={}, runtime_info=dict(epoch=1)))

    def _dump(self) -> dict:
        dataset = MP100Dataset(self.sound_labels)
        plan = released_test_plan(dataset, shots=1, queries=1, episodes=2)
        path = self.folder / 'sound.npz'
        save_predictions(path, plan, np.zeros((*plan.queries.shape, 4, 2), np.float32), dict(dataset.source))
        with np.load(path) as arrays:
            return dict(arrays)

    def damaged(self, kind: str, rng: random.Random) -> bytes:
        """A damaged file of that kind."""
        return DAMAGE[kind](rng, self.sound[kind], self.marker)

    def sound_file(self, kind: str) -> bytes:
        """The file that is damaged, as it is."""
        return FILE[kind](self.sound[kind])

    def outcome(self, kind: str, data: bytes) -> tuple[str, str]:
        """('read' or 'refused', message) of a damaged file, or ('failed', what went wrong)."""
        self.file['image'].write_bytes(self.intact)
        self.file[kind].write_bytes(data)
        started = time.monotonic()
        try:
            self.read[kind](self.file[kind])
            end, message = 'read', ''
        except CapekitError as error:
            end, message = 'refused', str(error)
            if '\n' in message or not message.isprintable() or not message.strip():
                end, message = 'failed', f'a message that is not one line: {message!r}'
        except Exception:  # what the fuzz is looking for
            end, message = 'failed', traceback.format_exc()
        if self.marker.exists():
            self.marker.rmdir()
            end, message = 'failed', 'the file ran code'
        if time.monotonic() - started > SECONDS:
            end, message = 'failed', f'took {time.monotonic() - started:.0f} s; {message}'
        return end, message

    def _read_annotation(self, path: Path) -> None:
        """As the audit, then as a run; what one of them refuses, the other must not trip over."""
        refused = None
        try:
            audit([str(path)], str(self.folder / 'images'), queries=1)
        except CapekitError as error:
            refused = error
        dataset = MP100Dataset(path, images=self.folder / 'images', image_size=16)
        for category_id in dataset.categories:
            members = dataset.instances_of(category_id)
            if len(members) > 1:
                dataset[EpisodeKey(tuple(members[:2].tolist()), 0)]
        if refused:
            raise refused

    def _read_image(self, path: Path) -> None:
        audit([str(self.sound_labels)], str(self.folder / 'images'), queries=1, decode=True)
        MP100Dataset(self.sound_labels, images=self.folder / 'images', image_size=16).crop(0)

    def _read_checkpoint(self, path: Path) -> None:
        """As training and testing do, and as a published file."""
        found = read_checkpoint(path)
        with contextlib.suppress(CapekitError):
            convert('capeformer', found)
        load_weights(nn.Linear(3, 2), path)

    def _read_dump(self, path: Path) -> None:
        found = load_predictions(path)
        evaluate(dataset_of(found), found.plan, found.points, found.scores, (0.1, 0.2), resamples=0)


def draw(seed: int, kind: str, number: int) -> random.Random:
    """The random numbers of one file."""
    return random.Random(f'{seed} {kind} {number}')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--files', type=int, default=300, help='in all, equally many of every kind (default: %(default)s)')
    parser.add_argument('--kind', choices=list(DAMAGE), nargs='+', default=list(DAMAGE), help='default: all')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--number', type=int, help='only the file of that number')
    parser.add_argument('--keep', type=Path, metavar='DIR', help='write the files that failed into this folder')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    logging.disable()
    numbers = range(args.files // len(args.kind)) if args.number is None else [args.number]
    failed, started = 0, time.monotonic()
    for kind in args.kind:
        with tempfile.TemporaryDirectory() as folder:
            fuzz, ends = Fuzz(Path(folder)), Counter()
            for number in numbers:
                data = fuzz.damaged(kind, draw(args.seed, kind, number))
                end, message = fuzz.outcome(kind, data)
                ends[end] += 1
                if end == 'failed':
                    print(f'{kind} {number}: {message}', flush=True)
                    if args.keep:
                        args.keep.mkdir(parents=True, exist_ok=True)
                        (args.keep / f'{kind}_{number}{fuzz.file[kind].suffix}').write_bytes(data)
                elif args.number is not None:
                    print(f'{kind} {number}: {end} {message}')
            failed += ends['failed']
            print(json.dumps({'kind': kind, 'files': len(numbers), **{end: ends[end] for end in ('read', 'refused', 'failed')}}),
                  flush=True)
    print(f'{len(numbers) * len(args.kind)} files in {time.monotonic() - started:.0f} s, {failed} failed')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
