"""The same as `capekit label`; see `capekit/commands/label.py`."""

from capekit.cli import run
from capekit.commands.label import main

if __name__ == '__main__':
    run(main)
