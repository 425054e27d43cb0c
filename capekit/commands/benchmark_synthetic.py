"""Train methods on the generated data with equal budgets, test them on unseen categories, write one table.

    python tools/analysis/benchmark_synthetic.py [--methods pomnet capeformer ...] [--epochs N | --minutes M]

All methods see the same training episodes in the same order, start from random weights, and are tested by tools/test.py
on the same rows. The budget is a number of epochs or of training minutes; for the latter, a few iterations of each
method are timed first, and it gets as many whole epochs as fit. WORK_DIR/results.md and results.json hold the table. A
method already trained in WORK_DIR with the same settings is not trained again.
"""

import argparse
import json
import math
import statistics
from pathlib import Path

from mmengine.config import Config, ConfigDict

from capekit.apis import init_estimator
from capekit.cli import run_command
from capekit.commands.arguments import Overrides
from capekit.datasets import MP100Dataset, released_test_plan
from capekit.engine.config import build, load_config
from capekit.errors import CapekitError
from capekit.evaluation import evaluate
from capekit.evaluation.baselines import copy_support
from capekit.evaluation.report import budget_table
from capekit.files import atomic_write, write_json
from capekit.registry import DATASETS
from capekit.shipped import shipped_configs

CONFIGS = shipped_configs() / 'synthetic'
COPY = 'copy'
METHODS = (COPY, 'matching', 'protonet', 'maml', 'finetune', 'pomnet', 'capeformer', 'fmmp', 'sdpnet_r18',
           'sdpnet_hrnet18', 'graphcape', 'edgecape')
PROBE_ITERATIONS = 15


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=METHODS, metavar='METHOD',
                        help="'copy' (the supports' points) or the start of a config name in configs/synthetic "
                             f'(default: {" ".join(METHODS)})')
    parser.add_argument('--data', default='data/synthetic', help='made by tools/dataset/synthesize.py')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/benchmark_synthetic'))
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 5])
    parser.add_argument('--episodes', type=int, help="test episodes per category; default: the configs'")
    parser.add_argument('--queries', type=int, help="queries per test episode; default: the configs'")
    parser.add_argument('--seed', type=int, default=0, help='of training')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='for every method')
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument('--epochs', type=int, help="of training; default: each config's")
    budget.add_argument('--minutes', type=float, help='of training')
    args = parser.parse_args()
    if any(budget is not None and budget <= 0 for budget in (args.epochs, args.minutes)):
        parser.error('a budget must be above 0')
    return args


def main() -> None:
    args = parse_args()
    options = {f'{stage}_dataloader.dataset.data_root': args.data for stage in ('train', 'val', 'test')}
    options.update(args.cfg_options)
    configs = {method: load_config(find_config(METHODS[-1] if method == COPY else method), options)
               for method in args.methods}
    records = []
    for method, config in configs.items():
        dataset = build(DATASETS, dict(config.test_dataloader.dataset, images=None), 'test_dataloader.dataset')
        sampler = config.test_dataloader.sampler
        for name in ('episodes', 'queries'):
            sampler[name] = getattr(args, name) or sampler[name]
        training = {} if method == COPY else train(method, config, options, args)
        for shots in args.shots:
            report = (copy_report(dataset, sampler, shots) if method == COPY
                      else test(method, config, options, training.get('epochs'), shots, args))
            records.append(dict(method=method, shots=shots, **training, categories=len(report['categories']),
                                rows=report['rows'], metrics=report['overall']['metrics']))
    table = markdown(records, args)
    with atomic_write(args.work_dir / 'results.md') as file:
        file.write(table.encode())
    write_json(args.work_dir / 'results.json', dict(
        epochs=args.epochs, minutes=args.minutes, data=args.data, seed=args.seed, options=options, records=records))
    print(f'\n{table}\nWritten to {args.work_dir}/results.md and results.json')


def find_config(method: str) -> Path:
    """The config in configs/synthetic whose name is `method` or begins with `method`_."""
    names = sorted(path.stem for path in CONFIGS.glob('*.py'))
    found = [name for name in names if name == method or name.startswith(f'{method}_')]
    if len(found) != 1:
        raise CapekitError(f'--methods {method}: {len(found)} configs of that name in configs/synthetic; valid: '
                           f'{COPY}, {", ".join(names)}')
    return CONFIGS / f'{found[0]}.py'


def train(method: str, config: Config, options: dict, args: argparse.Namespace) -> dict:
    """Train a method within the budget, unless it has been trained already; returns what it took."""
    parameters = sum(parameter.numel() for parameter in init_estimator(config).parameters())
    if 'train_cfg' not in config:  # nothing to train
        return dict(parameters=parameters)
    work_dir = args.work_dir / method
    training_config = Config({key: value for key, value in config.items() if not key.startswith(('val_', 'test_'))})
    settings = dict(epochs=args.epochs, minutes=args.minutes, seed=args.seed, config=training_config.pretty_text)
    done = work_dir / 'training.json'
    if done.is_file() and (record := json.loads(done.read_text()))['settings'] == settings:
        return record['training']
    epochs = args.epochs or config.train_cfg.max_epochs
    if args.minutes:
        epochs = max(1, int(60 * args.minutes / seconds_per_epoch(method, config, options, args)))
    seconds = run_train(f'training {method}, {epochs} epochs', method, work_dir,
                        {**options, **stretched(config, epochs)}, args)
    training = dict(epochs=epochs, minutes=seconds / 60, parameters=parameters)
    write_json(done, dict(settings=settings, training=training))
    return training


def stretched(config: Config, epochs: int) -> dict:
    """Options that scale a config's schedules, and its hooks' epochs, to a number of epochs."""
    options = {'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': epochs}
    options.update({f'param_scheduler.{number}.end': epochs
                    for number, scheduler in enumerate(config.param_scheduler) if scheduler.get('by_epoch', True)})
    options.update({f'custom_hooks.{number}.{name}': round(hook[name] * epochs / config.train_cfg.max_epochs)
                    for number, hook in enumerate(config.custom_hooks) for name in ('begin', 'end') if name in hook})
    return options


def run_train(title: str, method: str, work_dir: Path, options: dict, args: argparse.Namespace) -> float:
    """Run tools/train.py; returns its seconds."""
    return run_command(title, 'train', find_config(method), '--work-dir', work_dir, '--no-validate',
                    '--seed', args.seed, '--cfg-options', *as_arguments(options))


def seconds_per_epoch(method: str, config: Config, options: dict, args: argparse.Namespace) -> float:
    """Time the iterations of a short training: data, forward, backward and step, as in a long one."""
    loader = config.train_dataloader
    dataset = build(DATASETS, dict(loader.dataset, images=None), 'train_dataloader.dataset')
    categories = len(dataset.categories)
    per_category = loader.sampler.get('episodes_per_category') or max(
        len(dataset.instances_of(number)) for number in dataset.categories)
    probe = {'train_cfg.max_epochs': 1, 'default_hooks.logger.interval': 1, 'default_hooks.checkpoint.interval': -1,
             'train_dataloader.sampler.episodes_per_category': math.ceil(
                 PROBE_ITERATIONS * loader.batch_size / categories)}
    work_dir = args.work_dir / f'{method}_probe'
    run_train(f'timing {method}', method, work_dir, {**options, **probe}, args)
    newest = max(work_dir.glob('*/vis_data/scalars.json'), key=lambda path: path.stat().st_mtime)
    times = [json.loads(line)['time'] for line in newest.read_text().splitlines() if '"time"' in line]
    return statistics.median(times[len(times) // 3:]) * math.ceil(per_category * categories / loader.batch_size)


def test(method: str, config: Config, options: dict, epochs: int | None, shots: int, args: argparse.Namespace) -> dict:
    """Run tools/test.py; returns its report."""
    work_dir, sampler = args.work_dir / method, config.test_dataloader.sampler
    checkpoint = [work_dir / f'epoch_{epochs}.pth'] if epochs else []
    report = work_dir / f'test_{shots}shot.json'
    run_command(f'testing {method}, {shots} shot', 'test', find_config(method), *checkpoint,
                '--work-dir', work_dir, '--out', report, '--shots', shots, '--episodes', sampler.episodes,
                '--queries', sampler.queries, '--cfg-options', *as_arguments(options))
    return json.loads(report.read_text())


def copy_report(dataset: MP100Dataset, sampler: ConfigDict, shots: int) -> dict:
    """The baseline without a network, on the rows that the others are tested on."""
    plan = released_test_plan(dataset, shots, sampler.queries, sampler.episodes, sampler.seed)
    return evaluate(dataset, plan, copy_support(dataset, plan.rows))


def as_arguments(options: dict) -> list:
    return [f'{key}={value}' for key, value in options.items()]


def markdown(records: list, args: argparse.Namespace) -> str:
    """The table and the conditions it was made under."""
    budget = f'{args.minutes:g} minutes' if args.minutes else f"{args.epochs or 'its own number of'} epochs"
    return (f'{records[0]["categories"]} generated categories that training never saw, {records[0]["rows"]} queries; '
            f'{budget} of training from random weights; percent, 95 % intervals over episodes in brackets.\n\n'
            + budget_table(dict(records=records)) + '\n')
