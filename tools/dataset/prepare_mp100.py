"""The same as `capekit prepare-mp100`; see `capekit/commands/prepare_mp100.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('prepare_mp100')())
