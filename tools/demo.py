"""The same as `capekit demo`; see `capekit/commands/demo.py`."""

from capekit.cli import run
from capekit.commands.demo import main

if __name__ == '__main__':
    run(main)
