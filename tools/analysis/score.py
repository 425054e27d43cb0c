"""The same as `capekit score`; see `capekit/commands/score.py`."""

from capekit.cli import run
from capekit.commands.score import main

if __name__ == '__main__':
    run(main)
