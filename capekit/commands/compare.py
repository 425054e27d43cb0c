"""Is B better than A? Compare two runs on the same test episodes, paired.

    python tools/compare.py A.npz B.npz [--show-dir moved]
    python tools/compare.py work_dirs/A work_dirs/B --shots 5

A and B are dumps of `capekit test --dump`, reports of `capekit test`, JSON files of `capekit sweep`, or folders with
one of them. Dumps know single episodes: their differences have an interval by episode (other episodes of the same
categories) and over categories (other categories too, the wider statement), and the episodes that moved most can be
drawn. Reports have only the interval over categories. Results on other data or episodes, and reports with other
thresholds, are refused.
"""

import argparse
from pathlib import Path

from capekit.choices import Count, Seed
from capekit.commands.arguments import Whole
from capekit.errors import CapekitError
from capekit.evaluation.comparison import EXPECTED, check_same_episodes, check_same_test, compare, compare_reports
from capekit.evaluation.dump import Predictions, dataset_of, load_predictions
from capekit.evaluation.report import comparison_table, most_moved, moved_table
from capekit.evaluation.scores import THRESHOLDS
from capekit.files import check_writable, read_json, write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('a', type=Path, help='a dump, a report, or a folder with one of them')
    parser.add_argument('b', type=Path, help='the same of the other run; differences are B - A')
    parser.add_argument('--shots', action=Whole, help='which test of a folder, where it has several')
    parser.add_argument('--ann-file', type=Path, nargs='+', help='the annotation file(s) of dumps, if they have moved')
    parser.add_argument('--thresholds', type=float, nargs='+', help=f'of PCK, for dumps (default: {THRESHOLDS})')
    parser.add_argument('--metric', help='by which categories and episodes are ranked (default: PCK at the largest '
                                         'threshold)')
    parser.add_argument('--top', action=Whole, allowed=Count, default=5,
                        help='categories that moved most to list and draw (default: %(default)s)')
    parser.add_argument('--show-dir', type=Path, metavar='DIR', help='draw the episodes of these categories that moved '
                                                                     'most')
    parser.add_argument('--images', type=Path, help='folder of the images, to draw; default: images beside the folder '
                                                    'of the annotation file')
    parser.add_argument('--resamples', action=Whole, allowed=Count, default=1000,
                        help='of the bootstrap (default: %(default)s)')
    parser.add_argument('--seed', action=Whole, allowed=Seed, default=0,
                        help='seed of the bootstrap (default: %(default)s)')
    parser.add_argument('--markdown', action='store_true', help='print GitHub tables')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write all results to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for path, option in ((args.json, '--json'), (args.show_dir, '--show-dir')):
        if path is not None:
            check_writable(path, option, folder=option == '--show-dir')
    paths = [find_result(path, args.shots) for path in (args.a, args.b)]
    results = [load_result(path) for path in paths]
    names = short_names(*paths)
    options: dict = dict(resamples=args.resamples, seed=args.seed, metric=args.metric)
    dumps = [result for result in results if isinstance(result, Predictions)]
    reports = [result for result in results if isinstance(result, dict)]
    if reports:
        refuse_for_reports(args, paths[results.index(reports[0])], dumps)
        check_same_test(reports[0], reports[1], *map(str, paths))
        comparison = compare_reports(reports[0], reports[1], **options)
    else:
        a, b = dumps
        check_same_episodes(a, b, *map(str, paths))
        dataset = dataset_of(a, args.ann_file, args.show_dir and folder_of_images(args, a))
        comparison = compare(dataset, a.plan, a.points, b.points, args.thresholds or THRESHOLDS, **options)
    if args.json is not None:
        write_json(args.json, comparison)
    style = 'github' if args.markdown else 'simple'
    print(comparison_table(comparison, *names, style), moved_table(comparison, args.top, *names, style), sep='\n\n')
    if args.show_dir is not None:
        count = draw_moved(dataset, comparison, args, dict(zip(names, dumps, strict=True)))
        print(f'figures: {count} in {args.show_dir}, see index.html')


def draw_moved(dataset, comparison: dict, args: argparse.Namespace, dumps: dict) -> int:
    """Draw the episodes that moved most, with a page; returns the number of images."""
    from capekit.visualization import Caption, Gallery, query_figure
    metric, plan = comparison['metric'], next(iter(dumps.values())).plan
    gallery = Gallery(args.show_dir, f'{" and ".join(dumps)}: what moved most in {metric}')
    for rank, category in enumerate(most_moved(comparison, args.top), 1):
        for number, one in enumerate(category['moved'], 1):
            row = one['episode'] * plan.queries.shape[1] + one['query']
            figure = query_figure(dataset, plan.rows[row], {name: (dump.points[row], dump.scores[row])
                                                            for name, dump in dumps.items()})
            note = f'{metric} of the episode moved by {one["difference"]:+.3f}'
            gallery.add(f'{rank}_{category["id"]}_{category["name"]}_{number}', figure, Caption(
                category['name'], f'moved most: {rank}', f'{one["episode"]}, query {one["query"]}', note=note))
    gallery.close()
    return len(gallery)


def find_result(path: Path, shots: int | None) -> Path:
    """The dump or else report that a folder holds, or that a JSON file of a sweep names; another file itself.

    Raises:
        CapekitError: none, or several.
    """
    if not path.is_dir():
        named = read_report(path).get('dump') if path.suffix == '.json' else None
        return path.parent / named if named else path
    pattern = f'{shots}shot' if shots else 'shot'
    for kind in ('seed*.json', f'*{pattern}*.npz', '*.npz', f'test_*{pattern}.json'):
        found = sorted(path.glob(kind))
        if len(found) == 1:
            return find_result(found[0], shots)
        if found:
            raise CapekitError(f'{path}: {len(found)} results ({", ".join(file.name for file in found)}); name one of '
                               'them, or its --shots')
    raise CapekitError(f'{path}: neither a dump (*.npz) nor a report (test_*{pattern}.json) in this folder')


def load_result(path: Path) -> Predictions | dict:
    """A dump, or a report.

    Raises:
        CapekitError: the file does not exist or is neither.
    """
    return read_report(path) if path.suffix == '.json' else load_predictions(path)


def read_report(path: Path) -> dict:
    """A JSON file with an object.

    Raises:
        CapekitError: the file cannot be read or has something else.
    """
    report = read_json(path)
    if not isinstance(report, dict):
        raise CapekitError(f'{path}: {EXPECTED}')
    return report


def refuse_for_reports(args: argparse.Namespace, report: Path, dumps: list) -> None:
    """What needs single episodes, which reports no longer have."""
    if dumps:
        raise CapekitError(f'{report} is a report, the other a dump; name two of a kind')
    for option in ('show_dir', 'thresholds', 'ann_file', 'images'):
        if getattr(args, option) is not None:
            raise CapekitError(f'--{option.replace("_", "-")} needs dumps, and {report} is a report; write dumps with '
                               '`capekit test --dump`')


def folder_of_images(args: argparse.Namespace, dump: Predictions) -> Path:
    """`--images`, or the folder where shipped configs expect them.

    Raises:
        CapekitError: there is no such folder.
    """
    files = args.ann_file or dump.meta['ann_files']
    folder = args.images or Path(files[0]).parent.parent / 'images'
    if not folder.is_dir():
        raise CapekitError(f'--show-dir: no folder {folder}; name that of the images with --images')
    return folder


def short_names(a: Path, b: Path) -> tuple[str, str]:
    """What tells two files apart: their names, or those of their folders."""
    if a.stem != b.stem:
        return a.stem, b.stem
    a, b = a.resolve(), b.resolve()
    return next(((x, y) for x, y in zip(a.parts[::-1], b.parts[::-1], strict=False) if x not in (y, a.name)),
                ('A', 'B'))
