"""Train an estimator.

    python tools/train.py CONFIG [--split N | --cross NAME] [--shots N] [--work-dir DIR] [--resume [CHECKPOINT]] ...
    tools/dist_train.sh CONFIG GPUS
"""

import argparse
from pathlib import Path

import torch
from mmengine.config import Config

from capekit.choices import Seed
from capekit.commands.arguments import Whole, add_common_arguments, choose_work_dir, load_with_protocol
from capekit.engine.distributed import check_launcher, leave_distributed
from capekit.engine.resume import find_checkpoint
from capekit.engine.runner import build_runner
from capekit.errors import CapekitError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument('--shots', action=Whole, help="supports per episode; default: the config's")
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='resume from a checkpoint; without a path, from the latest in the work directory')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help="scale the learning rate by the total batch size over the schedule's base_batch_size")
    parser.add_argument('--no-validate', action='store_true', help='do not validate while training')
    parser.add_argument('--seed', action=Whole, allowed=Seed, help="seed of all random numbers; default: the config's")
    parser.add_argument('--deterministic', action='store_true', help='deterministic algorithms only (slower on CUDA)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_launcher(args.launcher)
    config = load_with_protocol(args, 'shots')
    work_dir = choose_work_dir(args, config)
    if args.amp:
        config.optim_wrapper.type = 'AmpOptimWrapper' if torch.cuda.is_available() else 'CpuAmpOptimWrapper'
    if args.auto_scale_lr:
        if not (config.get('auto_scale_lr') or {}).get('base_batch_size'):
            raise CapekitError(f'--auto-scale-lr: config {args.config} does not state auto_scale_lr.base_batch_size, '
                               'the batch size that its learning rate is for')
        config.auto_scale_lr.enable = True
    config.randomness = dict(config.get('randomness', {}))
    if args.seed is not None:
        config.randomness['seed'] = args.seed
    if args.deterministic:
        config.randomness['deterministic'] = True
    stages = ['train'] if args.no_validate or config.get('val_dataloader') is None else ['train', 'val']
    if args.no_validate:
        (config.get('default_hooks', {}).get('checkpoint') or {}).pop('save_best', None)
    note = choose_resume(args, config, work_dir)
    runner = build_runner(config, stages, work_dir, args.launcher)
    if note:
        runner.logger.warning(note)
    runner.train()
    leave_distributed()


def choose_resume(args: argparse.Namespace, config: Config, work_dir: str) -> str:
    """Write into the config what `--resume`, or the config's own `resume`, means; returns what to tell about it."""
    if not args.resume and not config.get('resume'):
        return ''
    try:
        path, meta, note = find_checkpoint(args.resume or config.get('load_from') or 'auto', work_dir)
    except CapekitError:
        if args.resume or config.get('load_from') or any(Path(work_dir).glob('*.pth')):
            raise
        config.resume = False  # as in mmengine, the setting also starts a run
        return ''
    config.resume, config.load_from = True, path
    if config.randomness.get('seed') is None:
        config.randomness['seed'] = meta.get('seed')
    return note
