"""The same as `capekit train`; see `capekit/commands/train.py`."""

from capekit.cli import run
from capekit.commands.train import main

if __name__ == '__main__':
    run(main)
