"""The same as `capekit sweep`; see `capekit/commands/sweep.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('sweep')())
