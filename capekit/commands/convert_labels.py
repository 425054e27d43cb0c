"""Convert labels from the file of one tool to that of another; what the other has no place for is announced.

    capekit convert-labels CollectedData_me.csv labels.json --from dlc --to coco --images frames
    capekit convert-labels labels.json CollectedData_me.h5 --to dlc-h5 --scorer me --category mouse

docs/label_formats.md says what each format holds, and which options it has.
"""

import argparse

from capekit.interop.labels import FORMATS, detect, read, write

# Option of the command -> option of the format.
READING = ('category', 'skeleton_base', 'video', 'keypoints', 'subset')
WRITING = dict(scorer='scorer', folder='folder', likelihood='likelihood', numbered='numbered', prefix='prefix',
               to_skeleton_base='skeleton_base')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='IN', help='the file; for labelme, a folder')
    parser.add_argument('target', metavar='OUT', help='the file; for labelme, a folder')
    parser.add_argument('--from', dest='source_format', choices=FORMATS, metavar='FORMAT',
                        help='of IN (default: what its content says, where that leaves no doubt)')
    parser.add_argument('--to', dest='target_format', choices=FORMATS, metavar='FORMAT', required=True,
                        help=f'of OUT; formats: {", ".join(FORMATS)}')
    parser.add_argument('--images', metavar='DIR', help='folder of the images, for sizes that IN does not state')
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')
    reading = parser.add_argument_group('reading')
    reading.add_argument('--category', metavar='NAME', help='name or id, where IN has several (coco, cvat, cvat-xml)')
    reading.add_argument('--skeleton-base', type=int, choices=(0, 1),
                         help="what links count from (coco, cvat; default: the file's `info`, else what its numbers "
                              'fit, and where both do, 0 for coco, 1 for cvat)')
    reading.add_argument('--video', metavar='PATH', help='that the frames are of (dlc, dlc-h5, lp, sleap-analysis)')
    reading.add_argument('--keypoints', nargs='+', metavar='NAME',
                         help='names in order (labelme, label-studio, cvat-xml; default: by first appearance)')
    reading.add_argument('--subset', help='where IN has several (zip files of cvat)')
    writing = parser.add_argument_group('writing')
    writing.add_argument('--scorer', help='name in the header (dlc, dlc-h5, lp; default: capekit)')
    writing.add_argument('--folder', metavar='labeled-data/VIDEO', help='put before image names (dlc, dlc-h5, lp)')
    writing.add_argument('--likelihood', action='store_true', default=None,
                         help='write scores of images too (dlc, dlc-h5, lp)')
    writing.add_argument('--numbered', action='store_true', default=None,
                         help='number the images from 0 instead of naming them, for movement (dlc)')
    writing.add_argument('--to-skeleton-base', type=int, choices=(0, 1), help='what links count from (coco, default 0)')
    writing.add_argument('--prefix', help='put before image names (label-studio; default: /data/local-files/?d=)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    given = {name: value for name, value in vars(args).items() if value is not None}
    labels = read(args.source, args.source_format or detect(args.source), args.images,
                  **{name: given[name] for name in READING if name in given})
    options = {option: given[name] for name, option in WRITING.items() if name in given}
    if args.target_format == 'labelme' and args.images is not None:
        options['images'] = args.images
    write(args.target, args.target_format, labels, args.overwrite, **options)
    print(f'{args.target}: {len(labels.images)} images, {len(labels.animals)} animals, {len(labels.keypoints)} '
          f'keypoints ({", ".join(labels.keypoints)})')
