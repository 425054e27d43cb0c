"""The same as `capekit benchmark`; see `capekit/commands/benchmark.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('benchmark')())
