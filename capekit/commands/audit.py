"""Check annotation files, and the images they name, before a run; exits with 1 if something needs fixing.

    python tools/dataset/audit.py data/mp100/annotations/mp100_split1_test.json --images data/mp100/images --shots 5
"""

import argparse
from dataclasses import fields
from pathlib import Path

from capekit.commands.arguments import Whole
from capekit.datasets.audit import audit
from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError
from capekit.files import write_json

NAMES = [field.name for field in fields(ReadSettings)]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', nargs='+', type=Path, help='annotation file(s) in MP-100 format, checked together')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images (default: not checked)')
    parser.add_argument('--decode', action='store_true', help='read every image, to find truncated and wrong ones')
    parser.add_argument('--shots', action=Whole, default=1, help='supports per episode (default: %(default)s)')
    parser.add_argument('--queries', action=Whole, default=15, help='queries per episode (default: %(default)s)')
    parser.add_argument('--categories', nargs='+', metavar='ID',
                        help='category ids, or a split such as split1/test (default: all)')
    parser.add_argument('--reading', nargs='+', default=[], metavar='NAME=VALUE',
                        help=f'the settings of the data set for reading files, of {", ".join(NAMES)}')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write all results to this file')
    args = parser.parse_args()
    if args.decode and args.images is None:
        parser.error('--decode needs --images DIR')
    return args


def read_settings(options: list) -> ReadSettings:
    """`skeleton_base=1` and the like as settings."""
    chosen: dict = {}
    for option in options:
        name, _, value = option.partition('=')
        if name not in NAMES:
            raise CapekitError(f'--reading {option}: no such setting; valid: {", ".join(NAMES)}')
        chosen[name] = int(value) if value.isdecimal() else None if value == 'None' else value
    return ReadSettings(**chosen)


def main() -> int:
    args = parse_args()
    categories = [int(value) if value.isdecimal() else value for value in args.categories or ()]
    spec = None if not categories else categories[0] if isinstance(categories[0], str) else categories
    result = audit(args.ann, args.images, args.shots, args.queries, args.decode, read_settings(args.reading), spec)
    if args.json:
        write_json(args.json, result.to_dict())
    print(result.text())
    return 0 if result.clean else 1
