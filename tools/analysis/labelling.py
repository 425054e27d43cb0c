"""The same as `capekit benchmark-labelling`; see `capekit/commands/benchmark_labelling.py`."""

from capekit.cli import run
from capekit.commands.benchmark_labelling import main

if __name__ == '__main__':
    run(main)
