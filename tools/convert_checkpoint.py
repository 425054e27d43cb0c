"""The same as `capekit convert`; see `capekit/commands/convert.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('convert')())
