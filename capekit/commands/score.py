"""Score a dump of predictions again, without the model or images, or compare two dumps row by row.

    python tools/analysis/score.py DUMP.npz --thresholds 0.05 0.1 0.15 0.2 0.25
    python tools/analysis/score.py A.npz --against B.npz
"""

import argparse
from pathlib import Path

from capekit.choices import Count, Seed
from capekit.commands.arguments import Whole
from capekit.evaluation.comparison import check_same_episodes, compare
from capekit.evaluation.dump import dataset_of, load_predictions
from capekit.evaluation.intervals import evaluate
from capekit.evaluation.report import comparison_table, markdown_table, text_table
from capekit.evaluation.scores import THRESHOLDS
from capekit.files import check_writable, write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dump', type=Path, help='predictions that `capekit test --dump` wrote')
    parser.add_argument('--ann-file', type=Path, nargs='+', help='the annotation file(s), if they have moved')
    parser.add_argument('--thresholds', type=float, nargs='+', default=THRESHOLDS, help='of PCK (default: %(default)s)')
    parser.add_argument('--against', type=Path, metavar='DUMP', help='compare with this dump of the same rows')
    parser.add_argument('--resamples', action=Whole, allowed=Count, default=1000,
                        help='bootstrap resamples; 0 = no intervals (default: %(default)s)')
    parser.add_argument('--seed', action=Whole, allowed=Seed, default=0,
                        help='seed of the bootstrap (default: %(default)s)')
    parser.add_argument('--markdown', action='store_true', help='print a GitHub table')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write all results to this file')
    return parser.parse_args()


def main():
    args = parse_args()
    if args.json is not None:
        check_writable(args.json, '--json')
    dump = load_predictions(args.dump)
    dataset = dataset_of(dump, args.ann_file)
    if args.against is None:
        result = evaluate(dataset, dump.plan, dump.points, dump.scores, args.thresholds, args.resamples, args.seed)
        table = markdown_table(result) if args.markdown else text_table(result)
    else:
        other = load_predictions(args.against)
        check_same_episodes(dump, other, str(args.dump), str(args.against))
        result = compare(dataset, dump.plan, dump.points, other.points, args.thresholds, args.resamples, args.seed)
        table = comparison_table(result, args.dump.stem, args.against.stem, 'github' if args.markdown else 'simple')
    if args.json is not None:
        write_json(args.json, result)
    print(table)
