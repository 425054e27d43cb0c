"""The same as `capekit replay`; see `capekit/commands/replay.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('replay')())
