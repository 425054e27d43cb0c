"""The same as `capekit score`; see `capekit/commands/score.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('score')())
