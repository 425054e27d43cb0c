"""Arguments shared by several commands."""

import argparse
import re
from pathlib import Path

from mmengine.config import Config, DictAction

from capekit.choices import Size, expected, valid
from capekit.datasets.splits import CROSS_SUPERCATEGORIES
from capekit.engine.config import load_config
from capekit.engine.protocol import run_name
from capekit.errors import CapekitError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class Whole(argparse.Action):
    """A whole number, or several, that an annotation of `capekit.choices` allows: 1 or more, if none is given."""

    def __init__(self, *args, allowed=Size, **kwargs):
        super().__init__(*args, **kwargs)
        self.allowed = allowed

    def __call__(self, parser, namespace, values, option_string=None):
        numbers = [self._number(text, option_string) for text in (values if self.nargs else [values])]
        setattr(namespace, self.dest, numbers if self.nargs else numbers[0])

    def _number(self, text: str, option: str | None) -> int:
        if re.fullmatch(r'-?[0-9]{1,18}', text) and valid(int(text), self.allowed):
            return int(text)
        raise CapekitError(f'{option} {text}: {expected(self.allowed)}')


class Overrides(DictAction):
    """`--cfg-options key=value ...`, with an error that shows the expected form."""

    def __call__(self, parser, namespace, values, option_string=None):
        wrong = [value for value in values if '=' not in value]
        if wrong:
            parser.error(f'{option_string}: {wrong[0]!r} is not of the form key=value')
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, RecursionError):  # mmengine takes lists and tuples, and nothing else in brackets
            parser.error(f'{option_string}: {" ".join(values)!r}: values are numbers, words, [lists] and (tuples); set '
                         'each part of a dict: model.backbone._delete_=True model.backbone.type=...')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments shared by training and testing."""
    parser.add_argument('config', help='a config file, such as configs/synthetic/capeformer_r18_synthetic_1shot.py; '
                                       'a `configs/...` not found in this folder is the shipped one')
    parser.add_argument('--work-dir', help='where to write; default: work_dirs/<config name>[_<split>_<shots>]')
    add_protocol_arguments(parser)
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='config overrides by dotted key, such as model.head.decoder_layers=0')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none',
                        help='how the processes of a distributed run were started')
    # torchrun sets the variable; older launchers pass the argument.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Which part of MP-100; `--shots` differs between commands, so each defines its own."""
    part = parser.add_mutually_exclusive_group()
    part.add_argument('--split', type=int, metavar='N', help="of MP-100, 1 to 5; default: the config's")
    part.add_argument('--cross', metavar='NAME', help='hold out a super-category instead of using a split: '
                                                      f'{", ".join(CROSS_SUPERCATEGORIES)}')


def load_with_protocol(args: argparse.Namespace, *more: str) -> Config:
    """The config with `--cfg-options`, and with `--split` and `--cross` written into its protocol.

    Args:
        args: `config`, `cfg_options` and what `add_protocol_arguments` adds.
        more: further arguments that are protocol settings ('shots').

    Raises:
        CapekitError: as `load_config`, or a setting that the config does not leave to the protocol.
    """
    asked = {name: value for name in ('split', 'cross', *more) if (value := getattr(args, name)) is not None}
    options = {f'protocol.{name}': value for name, value in asked.items()}
    if 'split' in asked or 'cross' in asked:
        options['protocol.cross' if 'split' in asked else 'protocol.split'] = None
    if twice := options.keys() & args.cfg_options.keys():
        raise CapekitError(f'--cfg-options {min(twice)}: set by an option of the command too; leave one of them out')
    return load_config(args.config, {**args.cfg_options, **options})


def choose_work_dir(args: argparse.Namespace, config: Config) -> str:
    """`--work-dir`, the config's own, where training wrote `args.checkpoint`, or one named by the protocol."""
    if work_dir := args.work_dir or config.get('work_dir'):
        return work_dir
    left_in = Path(getattr(args, 'checkpoint', None) or '').parent
    if (left_in / 'last_checkpoint').is_file():
        return str(left_in)
    return f'work_dirs/{run_name(config, args.config)}'
