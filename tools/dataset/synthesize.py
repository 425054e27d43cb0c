"""The same as `capekit synthesize`; see `capekit/commands/synthesize.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('synthesize')())
