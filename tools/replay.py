"""The same as `capekit replay`; see `capekit/commands/replay.py`."""

from capekit.cli import run
from capekit.commands.replay import main

if __name__ == '__main__':
    run(main)
