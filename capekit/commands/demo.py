"""capekit in ten minutes on two CPU cores: generate a data set, train CapeFormer on it, test it on categories it has
never seen, draw its predictions, and print a table of results.

    python tools/demo.py [--work-dir work_dirs/demo] [--data data/synthetic]

`make demo` calls it. What exists already is reused: a data set in --data, a finished training in --work-dir.
"""

import argparse
import json
import time
from pathlib import Path

from tabulate import tabulate

from capekit.cli import run_command
from capekit.datasets import MP100Dataset, released_test_plan
from capekit.engine.config import load_config
from capekit.evaluation import evaluate
from capekit.evaluation.baselines import copy_support
from capekit.evaluation.report import cell
from capekit.files import atomic_write

CONFIG = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'
SHOTS = (1, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data', type=Path, default=Path('data/synthetic'))
    args = parser.parse_args()
    started = time.monotonic()
    root = [f'{stage}_dataloader.dataset.data_root={args.data}' for stage in ('train', 'val', 'test')]
    config = load_config(CONFIG)
    if not (args.data / 'annotations/test.json').is_file():
        run_command('generating images', 'synthesize', args.data)
    checkpoint = args.work_dir / f'epoch_{config.train_cfg.max_epochs}.pth'
    if not checkpoint.is_file():
        run_command('training CapeFormer', 'train', CONFIG, '--work-dir', args.work_dir, '--cfg-options', *root)
    for shots in SHOTS:
        run_command(f'testing on unseen categories, {shots} shot', 'test', CONFIG, checkpoint, '--shots', shots,
                 '--work-dir', args.work_dir, '--show-dir', args.work_dir / f'images_{shots}shot',
                 '--cfg-options', *root)
    table = results(args.work_dir, args.data, config.test_dataloader.sampler)
    with atomic_write(args.work_dir / 'results.md') as file:
        file.write(table.encode())
    print(f'\n{table}\nWritten to {args.work_dir}/results.md; figures: {args.work_dir}/images_1shot '
          f'and _5shot; {time.monotonic() - started:.0f} s in all.')


def results(work_dir: Path, data: Path, sampler) -> str:
    """Markdown table: copying the support beside the model just tested, on the same rows."""
    dataset = MP100Dataset(data / 'annotations/test.json')
    lines = []
    for shots in SHOTS:
        plan = released_test_plan(dataset, shots, sampler.queries, sampler.episodes, sampler.seed)
        baseline = evaluate(dataset, plan, copy_support(dataset, plan.rows))
        report = json.loads((work_dir / f'test_{shots}shot.json').read_text())
        for name, content in (('copy the support', baseline), ('CapeFormer', report)):
            metrics = content['overall']['metrics']
            cells = [cell(metrics[m]) for m in ('PCK@0.2', 'mPCK@.05:.20')]
            lines.append([name, shots, *cells, content['rows']])
    title = f'{len(dataset.categories)} generated categories that training never saw, 95 % intervals in brackets:\n\n'
    return title + tabulate(lines, ['method', 'shots', 'PCK@0.2', 'mPCK@.05:.20', 'queries'], 'github') + '\n'
