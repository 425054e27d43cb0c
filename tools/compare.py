"""The same as `capekit compare`; see `capekit/commands/compare.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('compare')())
