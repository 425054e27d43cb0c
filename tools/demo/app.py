"""The same as `capekit annotate`; see `capekit/commands/annotate.py`."""

from capekit.cli import run
from capekit.commands.annotate import main

if __name__ == '__main__':
    run(main)
