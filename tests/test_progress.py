"""The one progress bar: on a terminal, beside another one, and as lines of a log."""

import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest

from capekit import progress
from capekit.engine.hooks import ProgressBarHook

NESTED = """
from capekit.progress import Bar, track
assert Bar.wanted()
for outer in track('ab', 2, 'training'):
    for inner in track(range(3), 3, 'val'):
        print('line', outer, inner)
"""


def on_terminal(repo, code: str, stdout=None) -> str:
    """What a terminal shows of a Python script; `stdout` redirects its standard output."""
    try:
        master, slave = pty.openpty()
    except OSError as error:  # a bare chroot or container mounts no /dev/pts
        pytest.skip(f'this machine gives no terminal: {error}')
    with subprocess.Popen([sys.executable, '-c', code], stdout=stdout or slave, stderr=slave, stdin=slave,
                          env=dict(os.environ, PYTHONPATH=str(repo), TERM='xterm', COLUMNS='100')) as process:
        os.close(slave)
        shown = b''
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:  # the other end was closed
                break
    os.close(master)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_a_bar_below_another(repo):
    shown = on_terminal(repo, NESTED)
    assert 'training' in shown and 'val' in shown and shown.count('line') == 6


def test_output_that_goes_to_a_file_is_the_output_alone(repo, tmp_path):
    with open(tmp_path / 'out.txt', 'w') as file:
        shown = on_terminal(repo, NESTED, file)
    assert 'training' in shown and 'line' not in shown
    assert (tmp_path / 'out.txt').read_text().splitlines() == [f'line {a} {b}' for a in 'ab' for b in range(3)]


def test_lines_of_a_log(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, 'print_log', lambda text, logger: lines.append(text))
    monkeypatch.setattr(progress, 'LOG_SECONDS', 0)
    assert list(progress.track([2, 3, 5], 10, 'test', step=lambda item: item)) == [2, 3, 5]
    assert [line.split(',')[0] for line in lines] == ['test: 2/10', 'test: 5/10']


@pytest.mark.parametrize('terminal', [True, False])
def test_the_hook_of_training(monkeypatch, terminal):
    monkeypatch.setattr(progress.Bar, 'wanted', staticmethod(lambda: terminal))
    runner = SimpleNamespace(max_iters=4, iter=0, epoch=0, max_epochs=2, logger=SimpleNamespace(handlers=[]))
    hook = ProgressBarHook()
    hook.before_train(runner)
    hook.after_train_iter(runner, 0, outputs=dict(loss=1.5))
    if terminal:
        task, = progress.Bar._progress.tasks
        assert task.completed == 1 and task.total == 4 and task.description == 'epoch 1/2  loss 1.500'
    hook.after_train(runner)
    assert progress.Bar._open == 0
