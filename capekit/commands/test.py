"""Test a trained estimator on categories it has never seen.

    python tools/test.py CONFIG [CHECKPOINT] [--split N | --cross NAME] [--shots 5] [--dump predictions.npz] ...
    tools/dist_test.sh CONFIG CHECKPOINT GPUS

Prints the table of metrics and writes it, with intervals and per category, as JSON into the work directory: by default
the folder that holds the checkpoint. Only a method that has nothing to train needs none. --shots is for this test
alone, however many shots training used.
"""

import argparse
from pathlib import Path

from capekit.apis import init_estimator
from capekit.commands.arguments import Whole, add_common_arguments, choose_work_dir, load_with_protocol
from capekit.engine.distributed import check_launcher, leave_distributed, lock_for_all
from capekit.engine.runner import build_runner
from capekit.errors import CapekitError
from capekit.evaluation.dump import save_predictions
from capekit.evaluation.report import text_table
from capekit.files import check_writable, read_json, write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument('checkpoint', nargs='?',
                        help='a capekit checkpoint; `capekit convert` makes one of a published file')
    parser.add_argument('--shots', action=Whole, help="supports per episode; default: the config's")
    parser.add_argument('--episodes', action=Whole, help='episodes per category (200 in the protocol)')
    parser.add_argument('--queries', action=Whole, help='queries per episode (15 in the protocol)')
    parser.add_argument('--stage', choices=('val', 'test'), default='test', help="which of the config's data sets")
    parser.add_argument('--amp', action='store_true',
                        help='mixed precision: faster, but answers differ, and a peak may be found elsewhere')
    parser.add_argument('--dump', metavar='FILE', help='write rows, predicted points and their scores to an .npz file')
    parser.add_argument('--show-dir', metavar='DIR',
                        help='draw worst, median, best and random queries of every category, and a page of them')
    parser.add_argument('--out', metavar='FILE', help='the JSON report; default: WORK_DIR/<stage>_<shots>shot.json, '
                                                      'with a longer name where that is of other episodes')
    return parser.parse_intermixed_args()  # a checkpoint may follow the options


def main() -> None:
    args = parse_args()
    check_launcher(args.launcher)
    config = load_with_protocol(args)
    work_dir = choose_work_dir(args, config)
    if args.stage == 'val':
        if config.get('val_dataloader') is None:
            raise CapekitError(f'--stage val: config {args.config} has no validation data')
        config.test_dataloader = config.val_dataloader
    sampler = config.test_dataloader.sampler
    for name in ('shots', 'episodes', 'queries'):
        if getattr(args, name) is not None:
            sampler[name] = getattr(args, name)
    if args.amp:
        config.test_cfg.amp = True
    check_outputs(args)
    estimator = init_estimator(config, args.checkpoint)
    if args.checkpoint is None and not getattr(getattr(estimator, 'head', estimator), 'frozen', False):
        raise CapekitError(f'{args.config} has parameters to train: name a checkpoint after it')
    runner = build_runner(config, ['test'], work_dir, args.launcher, model=estimator)
    source = source_of(args, runner.test_loop)
    report = Path(args.out) if args.out else report_path(
        Path(f'{work_dir}/{args.stage}_{source["shots"]}shot.json'), source)
    lock = lock_for_all(str(report.with_name(f'.{report.name}.lock')), f'report {report}')
    runner.test()
    if lock is not None:
        visualizer = runner.visualizer if config.get('visualizer') else None
        write_results(args, runner.test_loop, report, source, visualizer)
        lock.release()
    leave_distributed()


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse, before anything is computed, what could not be written after it.

    Raises:
        CapekitError: names the option.
    """
    files = {'--out': args.out, '--dump': args.dump, '--show-dir': args.show_dir}
    taken = {Path(path).resolve(): name for name, path in (('CHECKPOINT', args.checkpoint), ('CONFIG', args.config))
             if path is not None}
    for option, path in files.items():
        if path is None:
            continue
        check_writable(path, option, folder=option == '--show-dir')
        before = taken.setdefault(Path(path).resolve(), option)
        if before != option:
            raise CapekitError(f'{option} {path}: the same file as {before}')


def source_of(args: argparse.Namespace, loop) -> dict:
    """What the numbers of a test are of: data, episodes, config and checkpoint."""
    sampler = loop.dataloader.sampler
    drawn = {name: getattr(sampler, name) for name in ('episodes', 'seed') if hasattr(sampler, name)}
    return dict(loop.dataloader.dataset.source, config=args.config, checkpoint=args.checkpoint, shots=loop.plan.shots,
                queries=loop.plan.queries.shape[1], **drawn)


def report_path(usual: Path, source: dict) -> Path:
    """`usual`, or where a report of other episodes is there, a name that says which these are: none replaces another.

    Raises:
        CapekitError: what is at `usual` is not a report.
    """
    if not usual.is_file():
        return usual
    try:
        before = read_json(usual)['source']
        differing = [name for name in ('instances', 'episodes', 'seed', 'queries')
                     if before.get(name) != source.get(name)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CapekitError(f'{usual}: not a report; name another file by --out') from None
    if not differing:
        return usual
    parts = [source['instances'][:8]] if 'instances' in differing else []
    parts += [f'{source[name]}{name}' for name in ('episodes', 'queries', 'seed') if name in source]
    return usual.with_name('_'.join([usual.stem, *parts]) + usual.suffix)


def write_results(args: argparse.Namespace, loop, report: Path, source: dict, visualizer=None) -> None:
    """Write the report, and the dump and figures if asked for, these to the visualizer too; only then print."""
    write_json(report, dict(loop.report, source=source))
    lines = [text_table(loop.report), f'report: {report}']
    if args.dump is not None:
        save_predictions(args.dump, loop.plan, loop.points, source, loop.scores)
        lines.append(f'predictions: {args.dump}')
    if args.show_dir is not None:
        from capekit.visualization import Gallery, draw_episodes
        gallery = Gallery(args.show_dir, f'{report.stem} of {Path(args.config).stem}', visualizer)
        count = draw_episodes(loop.dataloader.dataset, loop.plan, loop.points, loop.scores, gallery)
        lines.append(f'figures: {count} in {args.show_dir}; to leaf through, open {gallery.close()}')
    print('\n'.join(lines))
