"""The same as `capekit audit`; see `capekit/commands/audit.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('audit')())
