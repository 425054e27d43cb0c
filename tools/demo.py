"""The same as `capekit demo`; see `capekit/commands/demo.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('demo')())
