"""The same as `capekit complexity`; see `capekit/commands/complexity.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('complexity')())
