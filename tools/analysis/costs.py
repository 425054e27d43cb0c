"""The same as `capekit costs`; see `capekit/commands/costs.py`."""

from capekit.cli import run
from capekit.commands.costs import main

if __name__ == '__main__':
    run(main)
