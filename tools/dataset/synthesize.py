"""The same as `capekit synthesize`; see `capekit/commands/synthesize.py`."""

from capekit.cli import run
from capekit.commands.synthesize import main

if __name__ == '__main__':
    run(main)
