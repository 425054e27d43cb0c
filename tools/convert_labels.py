"""The same as `capekit convert-labels`; see `capekit/commands/convert_labels.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('convert_labels')())
