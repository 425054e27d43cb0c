"""Training and testing the runs of a list: each once, however often and by however many processes it is asked for."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from capekit.choices import Count
from capekit.engine.config import load_config
from capekit.engine.distributed import environment_alone
from capekit.engine.protocol import STAGES, run_name
from capekit.errors import CapekitError
from capekit.files import atomic_write, read_json, remove_partial, write_json
from capekit.locks import InUse, Lock
from capekit.sweeps.papers import Papers, Run
from capekit.sweeps.record import record

RUNS = 'runs'
"""The folder, below that of a sweep, with a folder for every training."""
OF_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr')
"""Parts of a config that one without training does not have."""
COMMAND = [sys.executable, '-m', 'capekit']


@dataclass(frozen=True)
class Job:
    """A run with one seed, and where its files are.

    Rows whose training is the same, under whatever names, share its folder, and those whose test is too, its report.
    """

    run: Run
    parent: str | None
    seed: Count
    data: str
    out: Path
    training: Config
    """Resolved; its train and val parts make the checkpoint."""
    testing: Config
    """Resolved; the whole of it is the run's config."""
    source: Path
    """The config file that both come from."""
    options: dict
    """Every override."""
    cfg_options: dict
    """Those that are not the row's."""

    @property
    def file(self) -> Path:
        """The row's record, written when all is done."""
        parts = self.run.id.split('/') if self.data == 'mp100' else self.run.row.id.split('/')
        return self.out.joinpath(*parts, f'seed{self.seed}.json')

    @property
    def name(self) -> str:
        """Of the training."""
        parts = {key: value for key, value in self.training.items() if not key.startswith(('test_', 'protocol'))}
        return f'{run_name(self.training, str(self.source))}_{_digest(parts)}_seed{self.seed}'

    @property
    def folder(self) -> Path:
        """Work directory of the training, which rows that are the same run share."""
        return self.out / RUNS / self.name

    @property
    def test(self) -> Path:
        """Of the test, in the training's folder, without its suffix."""
        parts = {key: value for key, value in self.testing.items() if key.startswith(('test_', 'model'))}
        return self.folder / f'test_{_digest(parts)}'

    def done(self) -> bool:
        """Whether the record is there.

        Raises:
            CapekitError: there is one of a run with other settings.
        """
        if not self.file.is_file():
            return False
        try:
            there = read_json(self.file)
            same = there['report'].endswith(f'{RUNS}/{self.name}/{self.test.name}.json')
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise CapekitError(f'{self.file}: not a record of a run; move it away') from None
        if not same:
            raise CapekitError(f'{self.file} is of a run with other settings, {there["run"]}; choose another --out')
        return True


def plan(papers: Papers, runs: Sequence[Run], data: str, seeds: int, out: Path, cfg_options: dict,
         data_root: str | None = None) -> list[Job]:
    """One job for every run and seed that there is something to run for.

    Args:
        data: 'mp100', or 'synthetic', where a row is one run, whatever its splits.
        seeds: how many, from 0.
        out: the sweep's folder.
        cfg_options: overrides of every config, by dotted key.
        data_root: of all data sets; None = each config's.

    Raises:
        CapekitError: as `load_config`.
    """
    more = {f'{stage}_dataloader.dataset.data_root': data_root for stage in STAGES} if data_root else {}
    more.update(cfg_options)
    loaded: dict[str, Config] = {}

    def load(path: Path, options: dict) -> Config:
        key = json.dumps([str(path), options], default=str)
        if key not in loaded:
            loaded[key] = load_config(path, options)
        return loaded[key]

    def config_of(one: Run) -> tuple[Path, dict, Config]:
        path, options = papers.source(one, data)
        # A row that trains nothing has no parts for overrides of training.
        options = {**options, **{key: value for key, value in more.items()
                                 if (part := key.partition('.')[0]) not in OF_TRAINING or part in load(path, {})}}
        return path, options, load(path, options)
    jobs = []
    for run in runs:
        if papers.missing(run, data) or data == 'synthetic' and run.part != run.row.parts[0]:
            continue
        path, options, testing = config_of(run)
        training = config_of(papers.trainer(run))[2]
        parent = papers.parent(run)
        given = {key: value for key, value in cfg_options.items() if key in options}
        jobs += [Job(run, parent.row.id if parent else None, seed, data, out, training, testing, path, options, given)
                 for seed in range(seeds)]
    return jobs


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs by training, in their order."""
    by_name: dict[str, list[Job]] = {}
    for job in jobs:
        by_name.setdefault(job.name, []).append(job)
    return list(by_name.values())


def carry_out(jobs: Sequence[Job]) -> bool:
    """Train and test jobs that share a training, as far as that is not done; False if another process is at it.

    Raises:
        CapekitError: a command failed.
    """
    if all(job.done() for job in jobs):
        return True
    folder = jobs[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = Lock(folder / '.sweep.lock', f'run {folder}')
        # A training or test whose sweep was killed goes on by itself.
        for name in ('.lock', *(f'.{job.test.name}.json.lock' for job in jobs)):
            Lock(folder / name, f'run {folder}').release()
    except InUse:
        return False
    try:
        for job in jobs:
            if not job.done():
                trained, tested = _train(job), _test(job)
                write_json(job.file, record(job, trained, tested))
                print(f'== finished {job.run.id}, seed {job.seed}: {job.file}', flush=True)
    except InUse:
        return False
    finally:
        lock.release()
    return True


def _train(job: Job) -> dict:
    """Train, or go on training, unless that is done; returns `checkpoint`, `epochs` and what it took."""
    marker, attempts = job.folder / 'training.json', job.folder / 'attempts.json'
    if marker.is_file():
        return read_json(marker)
    if 'train_cfg' not in job.training:  # nothing to train
        return dict(checkpoint=None, epochs=None, train_seconds=None, train_attempts=0, train_memory_mib=None)
    before = read_json(attempts) if attempts.is_file() else []
    if before:
        # One that was killed lasted until its last file.
        before[-1]['end'] = max(before[-1]['start'], *(
            path.stat().st_mtime for path in job.folder.rglob('*')
            if path.is_file() and not path.name.endswith('.lock')))
    write_json(attempts, [*before, dict(start=time.time())])
    remove_partial(job.folder)
    more = ['--resume'] if any(job.folder.glob('*.pth')) else []
    more += ['--auto-scale-lr'] if job.training.get('auto_scale_lr') else []  # one process, whatever the rate is for
    seconds, memory = _command(job, 'train', _written(job.training, job.folder.with_suffix('.py')), '--work-dir',
                               job.folder, '--seed', job.seed, *more, lock=job.folder / '.lock')
    content = dict(
        checkpoint=Path((job.folder / 'last_checkpoint').read_text().strip()).name,
        epochs=job.training.train_cfg.get('max_epochs'),
        train_seconds=seconds + sum(attempt['end'] - attempt['start'] for attempt in before),
        train_attempts=len(before) + 1, train_memory_mib=memory)
    write_json(marker, content)
    return content


def _test(job: Job) -> dict:
    """Test unless that is done; returns what it took."""
    marker = job.test.with_name(f'{job.test.name}_took.json')
    if marker.is_file():
        return read_json(marker)
    name = read_json(job.folder / 'training.json')['checkpoint'] \
        if 'train_cfg' in job.training else None
    config = _written(job.testing, job.folder.with_name(f'{job.name}_{job.test.name}.py'))
    seconds, memory = _command(
        job, 'test', config, *([job.folder / name] if name else []), '--work-dir', job.folder, '--out',
        job.test.with_suffix('.json'), '--dump', job.test.with_suffix('.npz'),
        lock=job.test.with_name(f'.{job.test.name}.json.lock'))
    content = dict(test_seconds=seconds, test_memory_mib=memory)
    write_json(marker, content)
    return content


def _written(config: Config, path: Path) -> Path:
    """The whole config as a file, for the commands."""
    text = config.pretty_text.encode()
    if not path.is_file() or path.read_bytes() != text:
        with atomic_write(path) as file:
            file.write(text)
    return path


def _command(job: Job, command: str, *arguments: Any, lock: Path) -> tuple[float, float]:
    """Run a command of capekit in a process of its own; returns its seconds and its peak memory in MiB.

    Raises:
        InUse: another process that was started at the same moment has `lock`.
        CapekitError: the command failed.
    """
    print(f'\n== {job.run.id}, seed {job.seed}: capekit {command} {" ".join(map(str, arguments))}', flush=True)
    started = time.monotonic()
    # Waiting threads sleep, beside other programs.
    environment = {'OMP_WAIT_POLICY': 'PASSIVE', **environment_alone(os.environ)}
    process = subprocess.Popen([*COMMAND, command, *map(str, arguments)], env=environment)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        Lock(lock, f'run {job.folder}').release()
        raise CapekitError(f'{job.run.id}, seed {job.seed}: capekit {command} ended with status '
                           f'{process.returncode}; its message is above')
    return time.monotonic() - started, usage.ru_maxrss / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10)


def _digest(parts: dict) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]
