"""Results are written before they are printed, and what cannot be written is refused before anything is computed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope='module')
def checkpoint(trained):
    return trained / 'epoch_3.pth'


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--dump', '{}/folder'], '--dump {}/folder: cannot be written (it is a folder)'),
    (['--dump', ''], '--dump : cannot be written'), (['--out', '{}/file/x.json'], '--out {}/file/x.json: cannot'),
    (['--show-dir', '{}/file'], '--show-dir {}/file: cannot be written'),
    (['--work-dir', '{}/file'], 'work directory {}/file: cannot be written'),
    (['--out', '{}/x', '--dump', '{}/x'], '--dump {}/x: the same file as --out'),
    (['--out', '{checkpoint}'], '--out {checkpoint}: the same file as CHECKPOINT'),
    (['--cfg-options', 'test_evaluator.thresholds=[0.2,0.1]'], 'thresholds'),
    (['--cfg-options', 'test_evaluator.thresholds=[nan]'], 'thresholds'),
])
def test_a_bad_output_is_refused_first(config, checkpoint, tmp_path, tool, monkeypatch, arguments, message):
    from capekit.engine.inference import EpisodePredictor
    monkeypatch.setattr(EpisodePredictor, 'predict', lambda *_: pytest.fail('the test has started'))
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('x')

    def fill(text):
        return text.replace('{checkpoint}', str(checkpoint)).replace('{}', str(tmp_path))
    if '--work-dir' not in arguments:
        arguments = ['--work-dir', '{}/work', *arguments]
    status, _, err = tool('test', config, checkpoint, *map(fill, arguments))
    assert status == 2 and fill(message) in err and err.count('\n') == 1


@pytest.mark.parametrize(('option', 'message'), [
    ('save_best=PCK', "save_best='PCK' is not a metric of EpisodeEvaluator; valid: PCK@0.05"),
    ('save_best=EPE', "rule='greater' for save_best='EPE' would keep the worst"),
    ('rule=more', 'default_hooks.checkpoint')])
def test_a_bad_best_is_refused_first(config, tmp_path, tool, option, message):
    status, _, err = tool('train', config, '--work-dir', tmp_path / 'work', '--cfg-options',
                          f'default_hooks.checkpoint.{option}')
    assert status == 2 and message in err and err.count('\n') == 1 and not (tmp_path / 'work').exists()


def test_the_rule_of_our_metrics_is_known(config, tmp_path, tool):
    options = ['default_hooks.checkpoint.save_best=[EPE,mPCK@.05:.20]', 'default_hooks.checkpoint.rule=None']
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1', *options)
    assert status == 0, err
    assert len(list(tmp_path.glob('best_*'))) == 2


def test_a_finished_test_survives_a_screen_that_is_gone(config, checkpoint, repo, tmp_path):
    command = [sys.executable, str(repo / 'tools/test.py'), str(config), str(checkpoint), '--work-dir', str(tmp_path),
               '--dump', str(tmp_path / 'dump.npz')]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert 'Traceback' not in process.stderr.read()
    process.wait()
    assert json.loads((tmp_path / 'test_1shot.json').read_text())['rows']
    assert len(np.load(tmp_path / 'dump.npz')['rows'])
    process.stderr.close()


def test_a_test_leaves_the_record_of_training(config, trained, tmp_path, tool):
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--no-validate', '--cfg-options',
                          'train_cfg.max_epochs=1')
    assert status == 0, err
    before = {name: (tmp_path / name).read_bytes() for name in ('run.json', 'config.py')}
    assert tool('test', config, tmp_path / 'epoch_1.pth', '--work-dir', tmp_path)[0] == 0
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    assert len(list(tmp_path.glob('*/run.json'))) == 1


def test_a_second_training_in_a_work_directory(config, repo, tmp_path, tool):
    first = subprocess.Popen([sys.executable, str(repo / 'tools/train.py'), str(config), '--work-dir', str(tmp_path),
                              '--cfg-options', 'train_cfg.max_epochs=100000'], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    try:
        for line in first.stdout:
            if 'Epoch(train)' in line:
                break
        status, _, err = tool('train', config, '--work-dir', tmp_path)
        assert status == 2 and err.count('\n') == 1
        assert f'work directory {tmp_path} is in use by process {first.pid} on ' in err
        first.send_signal(signal.SIGINT)
        rest = first.stdout.read()
        assert first.wait() == 130 and 'Traceback' not in rest and rest.endswith('interrupted\n')
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


def children_of(pid: int) -> list:
    """From /proc: a small system has no `ps`."""
    children = []
    for status in Path('/proc').glob('[0-9]*/status'):
        with contextlib.suppress(OSError):  # it has ended
            if f'PPid:\t{pid}\n' in status.read_text():
                children.append(int(status.parent.name))
    return sorted(children)


def test_a_dead_worker_is_one_line(config, repo, tmp_path):
    log = tmp_path / 'log'
    with open(log, 'w') as out:
        process = subprocess.Popen(
            [sys.executable, str(repo / 'tools/train.py'), str(config), '--work-dir', str(tmp_path), '--no-validate',
             '--cfg-options', 'train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True',
             'train_cfg.max_epochs=100000'], stdout=out, stderr=subprocess.PIPE, text=True)
    while 'Epoch(train)' not in log.read_text() and process.poll() is None:
        time.sleep(0.1)
    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    error = process.stderr.read()
    assert process.wait() == 2, error
    assert error.count('\n') == 1 and 'a process that loads images died' in error
    process.stderr.close()


def test_a_full_disk_leaves_no_half_checkpoint(config, repo, tmp_path):
    """Where no file may grow beyond a limit, as on a full disk."""
    program = ('import resource, runpy, sys\n'
               'resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))\n'
               f'sys.argv = ["train.py", {str(config)!r}, "--work-dir", {str(tmp_path)!r}, "--no-validate"]\n'
               f'runpy.run_path({str(repo / "tools/train.py")!r}, run_name="__main__")')
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if not line.startswith('warning: ')]
    assert done.returncode == 2 and len(errors) == 1 and errors[0].startswith('error: '), done.stderr
    assert not list(tmp_path.glob('*.pth')) and not list(tmp_path.glob('.*.partial'))


@pytest.mark.parametrize('tool', ['train.py', 'test.py', 'dataset/synthesize.py', 'analysis/score.py'])
def test_ctrl_c_in_the_first_second(repo, tool):
    """Whatever takes time, such as importing torch, happens where Ctrl-C is expected."""
    program = (f'import sys, runpy\nimport capekit.cli as cli\ncli.run = lambda main: print("torch" in sys.modules)\n'
               f'runpy.run_path({str(repo / "tools" / tool)!r}, run_name="__main__")')
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd=repo)
    assert done.stdout == 'False\n', done.stderr
