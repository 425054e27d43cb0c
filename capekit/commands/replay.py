"""Look into a batch whose loss was not finite, kept by training in `not_finite_iter<N>.pt`.

    python tools/replay.py FILE CONFIG

Prints its episodes, every term of the loss, and the first modules whose output is not finite. The weights, the batch
and the random numbers are those of the iteration that ended the run.
"""

import argparse
import logging
from typing import Any

import torch
from mmengine.logging import MMLogger

from capekit.checkpoint import first_line, not_finite, read_checkpoint
from capekit.commands.arguments import Overrides
from capekit.engine.config import build, load_config
from capekit.engine.crop_size import sized_model
from capekit.engine.finite import describe
from capekit.engine.hooks import set_random_state
from capekit.errors import CapekitError
from capekit.registry import MODELS
from capekit.structures import Episode

SHOWN = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', help='not_finite_iter<N>.pt from a work directory')
    parser.add_argument('config', help='the config of that run')
    parser.add_argument('--device', default='cpu', help='such as cuda (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='config overrides by dotted key, as in training')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    content, episode = read_batch(args.file)
    config = load_config(args.config, args.cfg_options)
    model = build(MODELS, sized_model(config, ['train']), 'model')
    try:
        model.load_state_dict(content['state_dict'])
    except RuntimeError as error:
        raise CapekitError(f'{args.file}: not of the model of {args.config}: {first_line(error)}') from None
    model = model.to(args.device).train()
    meta = content['meta']
    print(f'iteration {meta["iter"] + 1}, epoch {meta["epoch"] + 1}: {describe(episode)}')
    broken = not_finite(content['state_dict'])
    print(f'parameters that are not finite: {len(broken)} of {len(content["state_dict"])}'
          + (f', e.g. {", ".join(broken[:SHOWN])}' if broken else ''))
    seen: list[str] = []
    for name, module in model.named_modules():
        module.register_forward_hook(
            lambda _, inputs, output, name=name: seen.append(name) if _broken(output) else None)
    if 'cuda' not in args.device:
        content['random_state'].pop('cuda', None)
    set_random_state(content['random_state'])
    losses = model(episode, mode='loss')
    for name, value in losses.items():
        print(f'{name}: {float(value.detach().sum()):g}')
    print(f'modules with an output that is not finite, in order: {", ".join(filter(None, seen[:SHOWN])) or "none"}')


def read_batch(path: str) -> tuple[dict, Episode]:
    """What `FiniteLossHook` wrote.

    Raises:
        CapekitError: another kind of file.
    """
    content = read_checkpoint(path)
    try:
        return content, Episode(**content['batch'])
    except (TypeError, KeyError):
        raise CapekitError(f'{path}: holds no batch; training writes not_finite_iter<N>.pt where a loss is not finite'
                           ) from None


def _broken(output: Any) -> bool:
    if isinstance(output, torch.Tensor):
        return output.is_floating_point() and not bool(torch.isfinite(output).all())
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (list, tuple)) else ()
    return any(_broken(part) for part in parts)
