"""capekit in 12 minutes on two CPU cores: generate a data set, train CapeFormer on it, test it on categories it has
never seen, draw its predictions, and print a table of results.

    python tools/demo.py [--work-dir work_dirs/demo] [--data data/synthetic] [--amp]

`make demo ARGS=...` calls it. What exists already is reused: a data set in --data, a finished training in --work-dir.
"""

import argparse
import time
from pathlib import Path

from capekit.cli import run_command
from capekit.datasets import MP100Dataset, released_test_plan
from capekit.engine.config import load_config
from capekit.evaluation import evaluate
from capekit.evaluation.baselines import copy_support
from capekit.evaluation.report import methods_table
from capekit.files import atomic_write, read_json, write_json

CONFIG = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'
SHOTS = (1, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data', type=Path, default=Path('data/synthetic'))
    parser.add_argument('--amp', action='store_true',
                        help='train in bfloat16: faster on processors that have it in hardware')
    args = parser.parse_args()
    started = time.monotonic()
    root = [f'{stage}_dataloader.dataset.data_root={args.data}' for stage in ('train', 'val', 'test')]
    config = load_config(CONFIG)
    if not (args.data / 'annotations/test.json').is_file():
        run_command('generating images', 'synthesize', args.data)
    checkpoint = args.work_dir / f'epoch_{config.train_cfg.max_epochs}.pth'
    if not checkpoint.is_file():
        run_command('training CapeFormer', 'train', CONFIG, '--work-dir', args.work_dir,
                    *(['--amp'] if args.amp else []), '--cfg-options', *root)
    for shots in SHOTS:
        run_command(f'testing on unseen categories, {shots} shot', 'test', CONFIG, checkpoint, '--shots', shots,
                    '--work-dir', args.work_dir, '--out', args.work_dir / f'test_{shots}shot.json', '--show-dir',
                    args.work_dir / f'images_{shots}shot', '--cfg-options', *root)
    result = results(args.work_dir, args.data, config.test_dataloader.sampler)
    table = markdown(result)
    write_json(args.work_dir / 'results.json', result)
    with atomic_write(args.work_dir / 'results.md') as file:
        file.write(table.encode())
    print(f'\n{table}\nWritten to {args.work_dir}/results.md and results.json; figures: {args.work_dir}/images_1shot '
          f'and _5shot; {time.monotonic() - started:.0f} s in all.')


def results(work_dir: Path, data: Path, sampler) -> dict:
    """Copying the support beside the model just tested, on the same rows; what `methods_table` takes."""
    dataset = MP100Dataset(data / 'annotations/test.json')
    records = []
    for shots in SHOTS:
        plan = released_test_plan(dataset, shots, sampler.queries, sampler.episodes, sampler.seed)
        baseline = evaluate(dataset, plan, copy_support(dataset, plan.rows))
        report = read_json(work_dir / f'test_{shots}shot.json')
        records += [dict(method=name, shots=shots, rows=content['rows'], metrics=content['overall']['metrics'])
                    for name, content in (('copy the support', baseline), ('CapeFormer', report))]
    return dict(categories=len(dataset.categories), records=records)


def markdown(result: dict) -> str:
    """The table, with what it is of."""
    return (f'{result["categories"]} generated categories that training never saw, 95 % intervals in brackets:\n\n'
            f'{methods_table(result)}\n')
