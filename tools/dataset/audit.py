"""The same as `capekit audit`; see `capekit/commands/audit.py`."""

from capekit.cli import run
from capekit.commands.audit import main

if __name__ == '__main__':
    run(main)
