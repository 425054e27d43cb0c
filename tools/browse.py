"""The same as `capekit browse`; see `capekit/commands/browse.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('browse')())
