"""The same as `capekit benchmark-synthetic`; see `capekit/commands/benchmark_synthetic.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('benchmark_synthetic')())
