"""The same as `capekit label`; see `capekit/commands/label.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('label')())
