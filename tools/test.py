"""The same as `capekit test`; see `capekit/commands/test.py`."""

from capekit.cli import run
from capekit.commands.test import main

if __name__ == '__main__':
    run(main)
