"""The same as `capekit benchmark`; see `capekit/commands/benchmark.py`."""

from capekit.cli import run
from capekit.commands.benchmark import main

if __name__ == '__main__':
    run(main)
