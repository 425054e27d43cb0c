"""List the configs that come with capekit, or copy them.

    capekit configs          prints their paths, as every command accepts them in any folder
    capekit configs DIR      copies them into DIR/configs, where a config of your own in DIR can name one of them:
                             _base_ = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'
"""

import argparse
import shutil
from pathlib import Path

from capekit.errors import CapekitError
from capekit.shipped import shipped_configs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('target', nargs='?', type=Path, metavar='DIR', help='copy them into DIR/configs')
    args = parser.parse_args()
    source = shipped_configs()
    if args.target is None:
        for path in sorted(source.rglob('*.py')):
            print(path.relative_to(source.parent))
        return
    target = args.target / source.name
    if target.exists():
        raise CapekitError(f'{target} is there already; name another folder')
    shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
    print(f'{target}: {sum(1 for _ in target.rglob("*.py"))} configs')
