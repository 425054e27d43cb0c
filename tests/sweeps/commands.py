"""Stands for `capekit train` and `capekit test`, in a second: with their locks, checkpoints and files.

An epoch or a start that is repeated is an error.
"""

import fcntl
import sys
import time
from pathlib import Path

EPOCHS = 4


def option(name: str) -> Path:
    return Path(sys.argv[sys.argv.index(name) + 1])


def hold(path: Path):
    file = open(path, 'a+')
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


folder = option('--work-dir')
if sys.argv[1] == 'train':
    lock = hold(folder / '.lock')
    existing = len(list(folder.glob('*.pth')))
    assert bool(existing) == ('--resume' in sys.argv)
    for epoch in range(existing + 1, EPOCHS + 1):
        time.sleep(0.06)
        (folder / f'epoch_{epoch}.pth').open('x').close()
        (folder / 'last_checkpoint').write_text(f'{folder}/epoch_{epoch}.pth')
else:
    assert Path(sys.argv[3]).name == f'epoch_{EPOCHS}.pth'
    out = option('--out')
    lock = hold(out.with_name(f'.{out.name}.lock'))
    time.sleep(0.06)
    out.write_text('{}')
    option('--dump').write_text('')
