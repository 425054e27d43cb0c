"""Every row is done once, whatever ends the sweep and however many work on it."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from capekit.cli import run
from capekit.commands import sweep
from capekit.errors import CapekitError
from capekit.sweeps import load_papers, runs, slurm
from capekit.sweeps.runs import RUNS, groups, plan

ROWS = ['capeformer/table3/no3', 'capeformer/table3/no5', 'capeformer/table5/fixed', 'fmmp/table4/fledged',
        'fmmp/table4/mixup-test', 'fmmp/table4/zero-test']
TRAININGS = 3


@pytest.fixture
def jobs(repo, tmp_path, monkeypatch):
    """Of six rows with three trainings, done by commands that take a second, in all."""
    monkeypatch.setattr(runs, 'COMMAND', [sys.executable, str(Path(__file__).with_name('commands.py'))])
    monkeypatch.setattr(runs, 'record', lambda job, trained, tested: dict(
        **trained, run=job.name, report=f'../{RUNS}/{job.name}/{job.test.name}.json'))
    monkeypatch.setattr(sweep, 'WAIT', 0.05)
    papers = load_papers(repo / 'configs/papers.yml')
    return plan(papers, papers.select(ROWS), 'synthetic', 1, tmp_path / 'out', {})


def _start(jobs) -> int:
    """A sweep in a forked process, and a session of its own."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        run(lambda: sweep.work(groups(jobs)))
    except SystemExit as stop:
        os._exit(stop.code or 0)
    finally:
        os._exit(1)


def _check(jobs) -> None:
    assert all(job.done() for job in jobs) and len(jobs) == len(ROWS)
    folders = [path for path in (jobs[0].out / RUNS).iterdir() if path.is_dir()]
    assert len(folders) == TRAININGS
    assert all(len(list(folder.glob('*.pth'))) == 4 for folder in folders)
    assert sum(len(list(folder.glob('test_*.npz'))) for folder in folders) == 5  # no5 and fixed are one


def test_overrides_of_training_pass_by_rows_that_train_nothing(repo, tmp_path):
    papers = load_papers(repo / 'configs/benchmark.yml')
    options = {'train_cfg.max_epochs': 2, 'test_evaluator.resamples': 7}
    rows = [f'benchmark/imagenet-1shot/{name}' for name in ('copying', 'matching', 'protonet')]
    for job in plan(papers, papers.select(rows), 'mp100', 1, tmp_path / 'out', options, data_root='elsewhere'):
        trains = job.run.row.name == 'protonet'
        assert ('train_cfg' in job.testing) == trains == ('train_cfg.max_epochs' in job.options)
        assert job.cfg_options.keys() == {'test_evaluator.resamples', *(['train_cfg.max_epochs'] if trains else [])}
        assert job.training.train_dataloader.dataset.data_root == 'elsewhere'
        assert job.testing.test_evaluator.resamples == 7
        assert job.testing.test_dataloader.dataset.data_root == 'elsewhere'


def test_rows_that_are_one_run_share_it(jobs):
    assert [len(group) for group in groups(jobs)] == [1, 2, 3]
    assert jobs[1].test == jobs[2].test and len({job.test for job in jobs[3:]}) == 3
    assert jobs[0].file == jobs[0].out / 'capeformer/table3/no3/seed0.json'


def test_killed_a_dozen_times(jobs):
    stream, times = random.Random(0), {}
    for number in range(12):
        process = _start(jobs)
        time.sleep(stream.uniform(0.05, 0.7))
        # Half of the time the command that is running goes on alone.
        (os.killpg if number % 2 else os.kill)(process, signal.SIGKILL)
        os.waitpid(process, 0)
        now = {job.file: job.file.stat().st_mtime_ns for job in jobs if job.file.is_file()}
        assert all(now[file] == when for file, when in times.items())
        times = now
    assert os.waitpid(_start(jobs), 0)[1] == 0
    _check(jobs)
    assert all(job.file.stat().st_mtime_ns == times.get(job.file, job.file.stat().st_mtime_ns) for job in jobs)
    assert max(json.loads(job.file.read_text())['train_attempts'] for job in jobs) > 1


def test_terminated_with_its_command(jobs):
    process = _start(jobs)
    while not list(jobs[0].out.glob(f'{RUNS}/*/epoch_1.pth')):
        time.sleep(0.01)
    os.kill(process, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 143
    with pytest.raises(ProcessLookupError):
        os.killpg(process, 0)
    assert os.waitpid(_start(jobs), 0)[1] == 0
    _check(jobs)


def test_the_time_between_a_kill_and_going_on_is_not_training(jobs):
    process = _start(jobs)
    while not list(jobs[0].out.glob(f'{RUNS}/*/epoch_1.pth')):
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    attempts, = jobs[0].out.glob(f'{RUNS}/*/attempts.json')
    attempts.write_text(json.dumps([dict(start=time.time() - 1001)]))
    for path in (jobs[0].out / RUNS).rglob('*'):
        os.utime(path, (time.time() - 1000,) * 2)
    assert os.waitpid(_start(jobs), 0)[1] == 0
    assert max(json.loads(job.file.read_text())['train_seconds'] for job in jobs) < 100


def test_side_by_side(jobs):
    processes = [_start(jobs) for _ in range(3)]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0, 0]
    _check(jobs)
    assert {json.loads(job.file.read_text())['train_attempts'] for job in jobs} == {1}


def test_a_failed_row_does_not_keep_others_from_being_done(jobs, monkeypatch, capsys):
    jobs[0].folder.mkdir(parents=True)
    (jobs[0].folder / 'epoch_4.pth').mkdir()  # in the way
    with pytest.raises(CapekitError, match='1 trainings failed: capeformer/table3/no3; .*tries them again'):
        sweep.work(groups(jobs))
    assert 'capeformer/table3/no3, seed 0: capekit t' in capsys.readouterr().out
    assert [job.done() for job in jobs] == [False, *[True] * 5]


def test_other_settings_in_the_same_folder_are_refused(jobs, repo):
    sweep.work(groups(jobs[:1]))
    papers = load_papers(repo / 'configs/papers.yml')
    other = plan(papers, papers.select(ROWS[:1]), 'synthetic', 1, jobs[0].out, {'train_cfg.max_epochs': 2})
    with pytest.raises(CapekitError, match='is of a run with other settings, .*; choose another --out'):
        other[0].done()
    jobs[0].file.write_text('[]')
    with pytest.raises(CapekitError, match='not a record of a run'):
        jobs[0].done()


def test_slurm_jobs(jobs, monkeypatch, tmp_path, capsys):
    class Executor:
        def __init__(self, folder, cluster):
            assert cluster == 'slurm'

        def update_parameters(self, **options):
            assert options == {'slurm_partition': 'gpu'}

        def submit(self, task):
            task()
            self.job_id = 7
            return self

    class Submitit:
        AutoExecutor = Executor

        class helpers:
            DelayedSubmission = list

    monkeypatch.setitem(sys.modules, 'submitit', Submitit)
    slurm.submit(groups(jobs), tmp_path, {'slurm_partition': 'gpu'})
    _check(jobs)
    assert capsys.readouterr().out.count('job 7: ') == TRAININGS
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(CapekitError, match='submitit; fix: pip install submitit$'):
        slurm.submit([], tmp_path, {})
