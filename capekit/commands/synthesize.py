"""Generate a data set in MP-100's format, or draw stand-ins for missing images.

    python tools/dataset/synthesize.py data/synthetic [--categories 100] [--instances 60] [--seed 0]
    python tools/dataset/synthesize.py IMAGE_FOLDER --from-annotations ANN [ANN ...]
"""

import argparse
import time
from pathlib import Path

from capekit.choices import Seed
from capekit.commands.arguments import Whole
from capekit.datasets import MP100Dataset, released_test_episodes
from capekit.evaluation import score_rows
from capekit.evaluation.baselines import copy_support
from capekit.synthetic import render_from_annotations, write_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder to write: a data set, or the images of --from-annotations')
    parser.add_argument('--from-annotations', nargs='+', metavar='ANN', help='draw the missing images of these files')
    parser.add_argument('--categories', action=Whole, default=100, help='train, val and test together (%(default)s)')
    parser.add_argument('--instances', action=Whole, default=60, help='images per category (%(default)s)')
    parser.add_argument('--seed', action=Whole, allowed=Seed, default=0)
    parser.add_argument('--workers', action=Whole, default=2,
                        help='processes; their number changes nothing (%(default)s)')
    args = parser.parse_args()
    start = time.monotonic()
    if args.from_annotations:
        counts = render_from_annotations(args.from_annotations, args.out, args.seed, args.workers)
        print(f"{args.out}: {counts['written']} images drawn, {counts['kept']} already existed, "
              f'{time.monotonic() - start:.0f} s')
        return
    splits = write_dataset(args.out, args.categories, args.instances, args.seed, args.workers)
    for name, counts in splits.items():
        print(f"{name:5} {counts['categories']:4} categories {counts['instances']:6} instances")
    print(f'{args.out}: {time.monotonic() - start:.0f} s')
    dataset = MP100Dataset(args.out / 'annotations/test.json')
    queries = min(15, args.instances - 1)
    if queries:
        rows = released_test_episodes(dataset, 1, queries)
        pck = score_rows(dataset, rows, copy_support(dataset, rows))['PCK@0.2']
        print(f'copy-the-support baseline PCK@0.2 (1 shot, test): {100 * pck:.1f}')
