"""The same as `capekit visualize`; see `capekit/commands/visualize.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('visualize')())
