"""The same as `capekit report`; see `capekit/commands/report.py`."""

from capekit.__main__ import load
from capekit.cli import run

if __name__ == '__main__':
    run(lambda: load('report')())
