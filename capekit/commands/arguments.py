"""Arguments that several commands share."""

import argparse

from mmengine.config import DictAction

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class Overrides(DictAction):
    """`--cfg-options key=value ...`, with an error that shows the form."""

    def __call__(self, parser, namespace, values, option_string=None):
        wrong = [value for value in values if '=' not in value]
        if wrong:
            parser.error(f'{option_string}: {wrong[0]!r} is not of the form key=value')
        super().__call__(parser, namespace, values, option_string)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that training and testing share."""
    parser.add_argument('config', help='a config file, such as configs/synthetic/capeformer_r18_synthetic_1shot.py; '
                                       '`configs/...` that is not in this folder is the shipped one')
    parser.add_argument('--work-dir', help='where to write; default work_dirs/<config name>')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='config overrides by dotted key, such as model.head.decoder_layers=0')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none',
                        help='how the processes of a distributed run were started')
    # torchrun sets the variable, old launchers pass the argument.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
