"""The same as `capekit benchmark-labelling`; see `capekit/commands/benchmark_labelling.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('benchmark_labelling')())
