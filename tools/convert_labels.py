"""The same as `capekit convert-labels`; see `capekit/commands/convert_labels.py`."""

from capekit.cli import run
from capekit.commands.convert_labels import main

if __name__ == '__main__':
    run(main)
