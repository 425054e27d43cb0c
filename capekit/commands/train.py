"""Train an estimator.

    python tools/train.py CONFIG [--split N | --cross NAME] [--shots N] [--work-dir DIR] [--resume [CHECKPOINT]] ...
    tools/dist_train.sh CONFIG GPUS
"""

import argparse
from pathlib import Path

import torch

from capekit.checkpoint import read_checkpoint
from capekit.commands.arguments import add_common_arguments, choose_work_dir, load_with_protocol
from capekit.engine.runner import build_runner, leave_distributed
from capekit.errors import CapekitError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument('--shots', type=int, help="supports per episode; default: the config's")
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='resume from a checkpoint; without a path, from the latest in the work directory')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help="scale the learning rate by the total batch size over the schedule's base_batch_size")
    parser.add_argument('--no-validate', action='store_true', help='do not validate while training')
    parser.add_argument('--seed', type=int, help="seed of all random numbers; default: the config's")
    parser.add_argument('--deterministic', action='store_true', help='deterministic algorithms only (slower on CUDA)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
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
    if args.resume:
        config.resume, config.load_from = True, find_checkpoint(args.resume, work_dir)
    build_runner(config, stages, work_dir, args.launcher).train()
    leave_distributed()


def find_checkpoint(resume: str, work_dir: str) -> str:
    """The checkpoint to resume from, checked to be one that can be resumed."""
    if resume == 'auto':
        pointer = Path(work_dir) / 'last_checkpoint'
        if not pointer.is_file():
            raise CapekitError(f'--resume: no checkpoint in {work_dir}; give its path, or train without --resume')
        resume = pointer.read_text().strip()
    content = read_checkpoint(resume)
    if not isinstance(content, dict) or 'optimizer' not in content:
        raise CapekitError(f'--resume {resume}: holds no optimiser state, so training cannot resume from it; '
                           'start from its weights with --cfg-options load_from=...')
    return resume
