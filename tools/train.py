"""The same as `capekit train`; see `capekit/commands/train.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('train')())
