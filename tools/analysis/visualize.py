"""The same as `capekit visualize`; see `capekit/commands/visualize.py`."""

from capekit.cli import run
from capekit.commands.visualize import main

if __name__ == '__main__':
    run(main)
