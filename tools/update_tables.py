"""Write the tables of README and docs from the run files in docs/runs; `--check` only says which have drifted.

`make tables` calls it. capekit/reports/pages.py says how a page names a table.
"""

import argparse
from pathlib import Path

from capekit.cli import run
from capekit.errors import CapekitError
from capekit.reports.pages import update_tables

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; fail where a table has drifted')
    args = parser.parse_args()
    changed = [str(page.relative_to(ROOT)) for page in update_tables(ROOT, write=not args.check)]
    if args.check and changed:
        raise CapekitError(f'{", ".join(changed)}: not the tables of docs/runs; fix: make tables')
    print('\n'.join(changed) if changed else 'the tables are those of docs/runs')


if __name__ == '__main__':
    run(main)
