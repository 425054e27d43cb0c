"""How command line tools end."""

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
