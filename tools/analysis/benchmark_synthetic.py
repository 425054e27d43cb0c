"""The same as `capekit benchmark-synthetic`; see `capekit/commands/benchmark_synthetic.py`."""

from capekit.cli import run
from capekit.commands.benchmark_synthetic import main

if __name__ == '__main__':
    run(main)
