"""Check annotation files, and the images they name, before a run; exits with 1 if something needs fixing.

    python tools/dataset/audit.py data/mp100/annotations/mp100_split1_test.json --images data/mp100/images --shots 5
"""

import argparse
from pathlib import Path

from capekit.datasets.audit import audit
from capekit.files import write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', nargs='+', type=Path, help='annotation file(s) in MP-100 format, checked together')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images (default: not checked)')
    parser.add_argument('--decode', action='store_true', help='read every image, to find truncated and wrong ones')
    parser.add_argument('--shots', type=int, default=1, help='supports per episode (default: %(default)s)')
    parser.add_argument('--queries', type=int, default=15, help='queries per episode (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write all results to this file')
    args = parser.parse_args()
    if args.decode and args.images is None:
        parser.error('--decode needs --images DIR')
    if args.shots < 1 or args.queries < 1:
        parser.error('--shots and --queries must be 1 or more')
    return args


def main() -> int:
    args = parse_args()
    result = audit(args.ann, args.images, args.shots, args.queries, args.decode)
    print(result.text())
    if args.json:
        write_json(args.json, result.to_dict())
    return 0 if result.clean else 1
