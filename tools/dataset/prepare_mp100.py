"""The same as `capekit prepare-mp100`; see `capekit/commands/prepare_mp100.py`."""

from capekit.cli import run
from capekit.commands.prepare_mp100 import main

if __name__ == '__main__':
    run(main)
