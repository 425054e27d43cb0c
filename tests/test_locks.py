"""A lock keeps other processes out, and ends with the one that holds it."""

import os
import subprocess
import sys

import pytest

from capekit.errors import CapekitError
from capekit.locks import Lock, remove_abandoned

HOLDER = """
import multiprocessing, sys, time
from capekit.locks import Lock
lock = Lock(sys.argv[1], 'folder')
child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,), daemon=True)
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', HOLDER, str(tmp_path / '.lock')], stdout=subprocess.PIPE,
                               text=True)
    process.child = int(process.stdout.readline())
    yield process
    process.kill()
    process.wait()
    os.kill(process.child, 9)


def test_held_until_the_process_is_gone_whatever_its_children_do(tmp_path, holder):
    with pytest.raises(CapekitError, match=f'folder is in use by process {holder.pid} on '):
        Lock(tmp_path / '.lock', 'folder')
    holder.kill()
    holder.wait()
    os.kill(holder.child, 0)  # is still there
    Lock(tmp_path / '.lock', 'folder').release()


def test_only_abandoned_folders_of_ours_are_removed(tmp_path, holder):
    removed = []
    (tmp_path / 'ours').mkdir()
    Lock(tmp_path / 'ours/.lock', 'ours').release()
    (tmp_path / 'theirs').mkdir()
    remove_abandoned(tmp_path, '*', '.lock', removed.append)
    assert removed == [tmp_path / 'ours']
    removed.clear()
    remove_abandoned(tmp_path.parent, tmp_path.name, '.lock', removed.append)  # the holder's
    assert removed == []
