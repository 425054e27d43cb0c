"""The same as `capekit test`; see `capekit/commands/test.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('test')())
