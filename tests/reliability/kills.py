"""Kills training, testing and generation at random and at chosen moments, and compares what comes after with a run that
was left alone.

    python -m tests.reliability.kills --kills 50

Of every killed and resumed training, the last checkpoint (weights, optimiser, schedules, best score) and the best one
must equal the undisturbed run's bit by bit, with the same files in the folder and no process left. Needs Linux.
"""

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot  # noqa: F401  this and timm once, not in every forked process
import numpy as np
import timm  # noqa: F401
import torch
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT)]

from coco_files import content, write, write_images  # noqa: E402

from capekit.checkpoint import read_checkpoint  # noqa: E402
from capekit.commands import synthesize, test, train  # noqa: E402
from tests.reliability.moments import kill_at  # noqa: E402
from tests.reliability.processes import KILLED, Command, random_delay  # noqa: E402

# As the shipped configs: persistent workers, a checkpoint and a validation per epoch, the best kept; CapeFormer, which
# has dropout. Batches divide by two ranks.
SETTINGS = """
_base_ = {base!r}
_data = dict(data_root={root!r}, image_size=32)
_loader = dict(num_workers={workers}, persistent_workers=True)
train_dataloader = dict(_loader, batch_size=4, dataset=_data, sampler=dict(episodes_per_category=8))
val_dataloader = dict(_loader, dataset=_data, sampler=dict(queries=2, episodes=2))
test_dataloader = dict(_loader, dataset=_data, sampler=dict(queries=2, episodes=40))
del _data, _loader
model = dict(backbone=dict(name='resnet10t.c3_in1k', strides=(16,), weights=None),
             head=dict(channels=16, num_heads=2, hidden_channels=16))
train_cfg = dict(max_epochs=3, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict({checkpoint}))
"""
BY_EPOCH, BY_ITERATION = 'max_keep_ckpts=1', 'max_keep_ckpts=2, by_epoch=False, interval=4'
# Name -> workers, ranks, checkpoints.
SETUPS = {'1 worker': (1, 1, BY_EPOCH), '2 workers': (2, 1, BY_EPOCH), '2 ranks': (1, 2, BY_EPOCH),
          'by iteration': (1, 1, BY_ITERATION)}
BY_EPOCH_MOMENTS = ['iteration:#9', 'validation:#3', 'half:epoch_2', 'before:epoch_3#2', 'before:epoch_2',
                    'after:epoch_2', 'half:last_checkpoint#2', 'before:last_checkpoint#2', 'after:last_checkpoint#2',
                    'remove:epoch_1', 'validation:#2', 'half:best_', 'before:best_', 'after:best_', 'half:best_#2',
                    'before:best_#2', 'after:best_#2', 'remove:best_', 'iteration:#3', 'iteration:#17']
# On two ranks an epoch has three steps, and the first epoch is the best.
NOT_ON_TWO_RANKS = {'before:epoch_3#2', 'half:best_#2', 'before:best_#2', 'after:best_#2', 'remove:best_',
                    'iteration:#17'}
MOMENTS = {'1 worker': BY_EPOCH_MOMENTS, '2 workers': BY_EPOCH_MOMENTS,
           '2 ranks': [*(moment for moment in BY_EPOCH_MOMENTS if moment not in NOT_ON_TWO_RANKS), 'iteration:#5'],
           'by iteration': ['iteration:#6', 'iteration:#12', 'half:iter_12', 'before:iter_12', 'iteration:#15',
                            'after:iter_12', 'validation:#2', 'validation:#3', 'before:iter_18#2']}
QUICK = [('2 workers', 'iteration:#9'), ('2 workers', 'half:best_'), ('by iteration', 'iteration:#12'),
         ('2 ranks', 'before:last_checkpoint#2')]


class Trials:
    """The runs that were left alone, and the folder in which the others are killed."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.stream = folder, random.Random(seed)
        self.left_alone: dict = {}
        self.number = itertools.count(1)
        root = folder / 'data'
        (root / 'annotations').mkdir(parents=True)
        for number, stage in enumerate(('train', 'val', 'test')):
            ids = [10 * number + n for n in (1, 2, 3)]
            data = content(categories=[(i, f'{stage}{i}', 3 + i % 5) for i in ids], per_category=6, seed=number)
            write(root / 'annotations' / f'{stage}.json', data)
            write_images(root / 'images', data)
        for name, (workers, _, checkpoint) in SETUPS.items():
            self.config(name).write_text(SETTINGS.format(
                base=str(ROOT / 'configs/synthetic/capeformer_r18_synthetic_1shot.py'), root=str(root), workers=workers,
                checkpoint=checkpoint))

    def config(self, setup: str) -> Path:
        return self.folder / f'{setup.replace(" ", "_")}.py'

    def undisturbed(self, setup: str) -> tuple:
        """(Work directory, seconds) of a whole run."""
        if setup not in self.left_alone:
            started = time.monotonic()
            work_dir = self.folder / f'whole_{setup.replace(" ", "_")}'
            self._succeed(train.main, [self.config(setup), '--work-dir', work_dir], SETUPS[setup][1])
            self.left_alone[setup] = work_dir, time.monotonic() - started
        return self.left_alone[setup]

    def train(self, setup: str, moment: str) -> str:
        """Kill a training, resume it, compare; returns what was wrong, '' if nothing."""
        whole, seconds = self.undisturbed(setup)
        work_dir = self.folder / f'train_{next(self.number)}'
        arguments = [self.config(setup), '--work-dir', work_dir]
        command = self._kill(train.main, arguments, moment, seconds, SETUPS[setup][1])
        resume = ['--resume'] if list(work_dir.glob('*.pth')) else []
        self._succeed(train.main, [*arguments, *resume], SETUPS[setup][1])
        return still_there(command) or compare_runs(whole, work_dir)

    def test(self, moment: str) -> str:
        """Kill a test that writes a report and a dump; test again, compare."""
        whole, _ = self.undisturbed('1 worker')
        checkpoint = whole / 'epoch_3.pth'
        reference = self.folder / 'test_whole'

        def arguments(out):
            return [self.config('1 worker'), checkpoint, '--work-dir', out, '--dump', out / 'dump.npz']
        if 'test' not in self.left_alone:
            started = time.monotonic()
            self._succeed(test.main, arguments(reference))
            self.left_alone['test'] = time.monotonic() - started
        out = self.folder / f'test_{next(self.number)}'
        command = self._kill(test.main, arguments(out), moment, self.left_alone['test'])
        for name in ('test_1shot.json', 'dump.npz'):
            if (out / name).exists() and not same_results(reference / name, out / name):
                return f'{name} is there but not whole'
        self._succeed(test.main, arguments(out))
        wrong = [name for name in ('test_1shot.json', 'dump.npz') if not same_results(reference / name, out / name)]
        return still_there(command) or ', '.join(f'{name} differs' for name in wrong)

    def generate(self, number: int) -> str:
        """End a generation by a signal; generate again, compare."""
        reference = self.folder / 'generated_whole'

        def arguments(out):
            return [out, '--categories', '11', '--instances', '4', '--workers', '2']
        if not reference.exists():
            started = time.monotonic()
            self._succeed(synthesize.main, arguments(reference))
            self.left_alone['generate'] = time.monotonic() - started
        folder = self.folder / f'generate_{next(self.number)}'
        folder.mkdir()
        out, theirs = folder / 'set', folder / 'set.partial'
        theirs.mkdir()
        (theirs / 'notes.txt').write_text('mine')
        command = Command(synthesize.main, arguments(out), self.folder / 'log')
        status = command.kill_after(random_delay(self.stream, self.left_alone['generate']), number)[0]
        if left := still_there(command):
            return left
        if not (theirs / 'notes.txt').is_file():
            return 'the folder of somebody else is gone'
        hidden = [path.name for path in folder.iterdir() if path not in (out, theirs)]
        if number != signal.SIGKILL and hidden:
            return f'left behind: {hidden}'
        if not out.exists():
            self._succeed(synthesize.main, arguments(out))
        elif status not in (0, KILLED, 143, 130, -number):
            return f'status {status}'
        if sorted(folder.iterdir()) != [out, theirs]:
            return f'left behind: {sorted(path.name for path in folder.iterdir())}'
        return '' if same_files(reference, out) else 'the data set differs'

    def _kill(self, main, arguments: list, moment: str, seconds: float, ranks: int = 1) -> Command:
        if moment == 'random':
            command = Command(main, arguments, self.folder / 'log', ranks)
            command.kill_after(random_delay(self.stream, seconds))
        else:
            command = Command(main, arguments, self.folder / 'log', ranks, lambda: kill_at(moment))
            status = command.wait()[0]
            if status != KILLED:
                raise RuntimeError(f'{arguments}: not killed at {moment}: status {status}')
        return command

    def _succeed(self, main, arguments: list, ranks: int = 1) -> None:
        log = self.folder / f'log_{next(self.number)}'
        statuses = Command(main, arguments, log, ranks).wait()
        if any(statuses):
            raise RuntimeError(f'{main.__module__} {arguments}: {statuses}\n{log.read_text(errors="replace")[-3000:]}')


def still_there(command: Command) -> str:
    """Which processes of a killed command have not ended; orphaned workers look for their parent every few seconds."""
    left = command.left()
    return f'processes left: {left}' if left else ''


def compare_runs(whole: Path, resumed: Path) -> str:
    """What differs between the work directories of two trainings, '' if nothing."""
    names = [sorted(path.name for path in folder.iterdir() if not path.is_dir()) for folder in (whole, resumed)]
    if names[0] != names[1]:
        return f'files {names[1]} instead of {names[0]}'
    pointers = [Path((folder / 'last_checkpoint').read_text()).name for folder in (whole, resumed)]
    if pointers[0] != pointers[1]:
        return f'last_checkpoint names {pointers[1]} instead of {pointers[0]}'
    for name in (name for name in names[0] if name.endswith('.pth')):
        a, b = (read_checkpoint(folder / name) for folder in (whole, resumed))
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            if not equal(a.get(part), b.get(part)):
                return f'{part} of {name} differs'
        best = [checkpoint['message_hub']['runtime_info'].get('best_score') for checkpoint in (a, b)]
        if best[0] != best[1]:
            return f'best score of {name} is {best[1]} instead of {best[0]}'
    return ''


def equal(a, b) -> bool:
    """Whether two nested structures of tensors are equal to the bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def same_results(a: Path, b: Path) -> bool:
    """Whether two reports or two dumps are equal."""
    if a.suffix == '.json':
        return json.loads(a.read_text()) == json.loads(b.read_text())
    with np.load(a) as one, np.load(b) as other:
        return all(np.array_equal(one[key], other[key], equal_nan=key in ('points', 'scores')) for key in one)


def same_files(a: Path, b: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [sorted(path.relative_to(folder) for path in folder.rglob('*') if path.is_file()) for folder in (a, b)]
    return names[0] == names[1] and all((a / name).read_bytes() == (b / name).read_bytes() for name in names[0])


def plan(kills: int) -> list:
    """(Set-up, moment) of so many kills of training: every chosen moment once, the rest at random moments."""
    chosen = [(setup, moment) for moments in itertools.zip_longest(*MOMENTS.values())
              for setup, moment in zip(MOMENTS, moments, strict=True) if moment]
    chosen = chosen[:max(kills - max(kills // 5, 1), 0)]
    setups = itertools.cycle(SETUPS)
    return chosen + [(next(setups), 'random') for _ in range(kills - len(chosen))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=50,
                        help='of training (%(default)s); besides, an eighth of it of testing and of generation')
    parser.add_argument('--quick', action='store_true', help='few, always the same ones: for the test suite')
    parser.add_argument('--seed', type=int, default=0, help='of the random moments')
    args = parser.parse_args()
    torch.set_num_threads(1)
    _ = Config(dict(one=1)).pretty_text  # loads the formatter, once as well
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), args.seed)
        jobs = [('train', *one) for one in (QUICK if args.quick else plan(args.kills))]
        others = 0 if args.quick else max(args.kills // 8, 1)
        moments = itertools.cycle(['before:dump', 'half:dump', 'random', 'before:test_1shot', 'after:test_1shot'])
        signals = itertools.cycle([signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
        jobs += [('test', next(moments)) for _ in range(others)]
        jobs += [('generate', next(signals)) for _ in range(others)]
        failed = 0
        for job in jobs:
            try:
                wrong = getattr(trials, job[0])(*job[1:])
            except RuntimeError as error:  # not killed, or not resumed
                wrong = str(error)
            failed += bool(wrong)
            print(f'{" | ".join(map(str, job)):45} {wrong or "as the undisturbed run"}', flush=True)
    print(f'{len(jobs)} kills, {failed} with another result')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
