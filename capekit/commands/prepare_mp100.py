"""Put the images of MP-100's source data sets where its annotation files expect them; exits with 1 if some are missing.

    capekit prepare-mp100 data/mp100/annotations/*.json --images data/mp100/images --source cub=~/CUB_200_2011
    capekit prepare-mp100 data/mp100/annotations/*.json --images data/mp100/images --source carfusion=~/car_fusion
        --carfusion-labels ~/car_fusion/annotations/car_keypoints_*.json

One source after another, or several at once. docs/prepare_mp100.md says what to download.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from capekit.datasets.audit import audit
from capekit.datasets.mp100_sources import SOURCES, source_named
from capekit.datasets.prepare import Result, prepare, wanted_images
from capekit.errors import CapekitError
from capekit.files import write_json

EXAMPLES = 3


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', nargs='+', type=Path, help="MP-100's annotation files")
    parser.add_argument('--images', type=Path, metavar='DIR', required=True, help='image folder to fill')
    parser.add_argument('--source', action='append', required=True, metavar='NAME=DIR',
                        help=f'a source data set and its folder; names: {", ".join(SOURCES)}')
    parser.add_argument('--carfusion-labels', nargs='+', type=Path, default=[], metavar='FILE',
                        help="CarFusion's keypoints in COCO's format, by whose boxes its renamed images are found")
    parser.add_argument('--copy', action='store_true', help='copy images instead of linking to them')
    parser.add_argument('--decode', action='store_true', help='then read every image, to find truncated ones')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write every file that is missing, and why')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    folders = {}
    for entry in args.source:
        name, _, folder = entry.partition('=')
        source_named(name)
        if not folder:
            raise CapekitError(f'--source {entry}: expected NAME=DIR')
        folders[name] = Path(folder).expanduser()
    if 'carfusion' in folders and not args.carfusion_labels:
        raise CapekitError('the images of CarFusion have other names in MP-100 and are found by their boxes; give its '
                           'keypoints in COCO format (--carfusion-labels)')
    if args.carfusion_labels and 'carfusion' not in folders:
        raise CapekitError('--carfusion-labels needs --source carfusion=DIR')
    results = {}
    for name, folder in folders.items():
        wanted = wanted_images(args.ann, SOURCES[name])
        results[name] = result = prepare(wanted, folder, args.images, args.copy,
                                         args.carfusion_labels if name == 'carfusion' else ())
        _report(name, len(wanted), result)
    if args.json:
        write_json(args.json, {name: result.problems for name, result in results.items()})
    return _check(args, list(folders)) or int(any(result.problems for result in results.values()))


def _report(name: str, wanted: int, result: Result) -> None:
    by_folder = f', {result.by_folder} of them chosen by the folder of the others' if result.by_folder else ''
    print(f'{name}: {wanted} images; {result.kept} were there, {result.placed} placed{by_folder}, '
          f'{len(result.problems)} missing')
    for file, reason in list(result.problems.items())[:EXAMPLES]:
        print(f'  {file}: {reason}')


def _check(args: argparse.Namespace, names: Sequence[str]) -> int:
    """Print what the audit says of the categories of these sources; 1 if an image is missing or cannot be read."""
    args.images.mkdir(parents=True, exist_ok=True)
    ids = {id_ for name in names for id_ in SOURCES[name].categories}
    found = [category for category in audit(args.ann, args.images, decode=args.decode).categories if category.id in ids]
    print('', tabulate([[c.id, c.name, c.instances, c.images, c.missing, '-' if c.unreadable is None else c.unreadable,
                         'yes' if c.enough else 'NO'] for c in found],
                       headers=['id', 'name', 'instances', 'images', 'missing', 'unreadable', '1 + 15']), sep='\n')
    return int(any(category.missing or category.unreadable for category in found))
