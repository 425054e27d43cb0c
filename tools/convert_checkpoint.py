"""The same as `capekit convert`; see `capekit/commands/convert.py`."""

from capekit.cli import run
from capekit.commands.convert import main

if __name__ == '__main__':
    run(main)
