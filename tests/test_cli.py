"""How command line tools end."""

import os
import signal
import subprocess
import sys

import pytest
from coco_files import content, write, write_images
from torch.utils.data import DataLoader

from capekit.cli import run
from capekit.datasets import MP100Dataset, TestEpisodes, collate_episodes
from capekit.errors import CapekitError


def ending(main) -> int:
    with pytest.raises(SystemExit) as left:
        run(main)
    return left.value.code


def fail(error):
    raise error


@pytest.mark.parametrize('status, expected', [(None, 0), (0, 0), (1, 1)])
def test_status(status, expected):
    assert ending(lambda: status) == expected


def test_error_is_one_line(capsys):
    assert ending(lambda: fail(CapekitError('a.json: no such file'))) == 2
    assert capsys.readouterr().err == 'error: a.json: no such file\n'


def test_other_errors_keep_their_traceback():
    with pytest.raises(KeyError):
        run(lambda: fail(KeyError('a bug')))


def test_interrupt(capsys):
    assert ending(lambda: fail(KeyboardInterrupt())) == 130


@pytest.mark.parametrize(('cause', 'status'), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_an_interrupt_that_a_package_makes_an_error_of(capsys, cause, status):
    def main():
        try:
            raise cause
        except BaseException:
            raise SyntaxError('the config cannot be formatted')  # noqa: B904  as mmengine does
    assert ending(main) == status
    assert capsys.readouterr().err == ('interrupted\n' if status == 130 else '')


def test_error_of_a_worker_is_one_line(tmp_path, capsys):
    data = content()
    images = write_images(tmp_path / 'images', data)
    dataset = MP100Dataset(write(tmp_path / 'a.json', data), images)
    (images / 'bird/1.jpg').write_bytes(b'')
    loader = DataLoader(dataset, sampler=TestEpisodes(dataset, 1, queries=3, episodes=2), num_workers=1,
                        collate_fn=collate_episodes)
    assert ending(lambda: [None for _ in loader] and 0) == 2
    message = capsys.readouterr().err
    assert message.startswith('error: ') and 'bird/1.jpg' in message and message.count('\n') == 1


def test_reader_that_has_gone(repo):
    program = 'from capekit.cli import run\nrun(lambda: [print("line " * 20) for _ in range(100000)] and 0)'
    process = subprocess.Popen([sys.executable, '-c', program], cwd=repo, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b''
    assert process.wait() == 141


@pytest.mark.parametrize(('message', 'line'), [
    ('two\nlines', 'two\\nlines'), ('bell \x07 and \x1b[31m red', 'bell \\x07 and \\x1b[31m red'), ('Käfer', 'Käfer')])
def test_control_characters_are_escaped(capsys, message, line):
    assert ending(lambda: fail(CapekitError(message))) == 2
    assert capsys.readouterr().err == f'error: {line}\n'


def test_what_the_machine_refuses_is_one_line(capsys, tmp_path):
    assert ending(lambda: open(tmp_path / 'none' / 'file', 'w') and None) == 2
    assert capsys.readouterr().err == f'error: {tmp_path}/none/file: No such file or directory\n'
    assert ending(lambda: fail(OSError(28, 'No space left on device', 'log'))) == 2
    assert capsys.readouterr().err == 'error: log: No space left on device\n'
    with pytest.raises(ConnectionResetError):  # might be a bug
        run(lambda: fail(ConnectionResetError(104, 'reset')))


def test_a_terminal_without_the_letters(repo):
    program = "from capekit.cli import run\nrun(lambda: print('K\\xe4fer'))"
    done = subprocess.run([sys.executable, '-c', program], cwd=repo, capture_output=True,
                          env={**os.environ, 'PYTHONIOENCODING': 'ascii'})
    assert (done.returncode, done.stdout, done.stderr) == (0, b'K\\xe4fer\n', b'')


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)])
def test_a_signal_clears_up(repo, tmp_path, number, status):
    program = ('import sys, time\nfrom capekit.cli import run\nfrom capekit.files import atomic_write\n'
               'def main():\n    with atomic_write(sys.argv[1]) as file:\n        print(flush=True)\n'
               '        time.sleep(60)\nrun(main)')
    process = subprocess.Popen([sys.executable, '-c', program, str(tmp_path / 'file')], cwd=repo,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait() == status and os.listdir(tmp_path) == []
    assert process.stderr.read() == ('interrupted\n' if number == signal.SIGINT else '')
    process.stdout.close()
    process.stderr.close()
