"""Whole numbers on the command line: one too small ends in one line, before anything is computed."""

import argparse
import sys

import pytest

from capekit.__main__ import COMMANDS, load
from capekit.errors import CapekitError

DIR, CONFIG = '--out DIR', 'a_mp100.py'
# Command -> what else it needs.
NEEDED = dict(
    annotate='images', audit='a.json', benchmark=CONFIG, benchmark_labelling=f'a.json --images x --category y {DIR}',
    browse=CONFIG, compare='a.npz b.npz', complexity=CONFIG, costs='', label=f'--labelled a.json --images x {DIR}',
    score='a.npz', sweep='a.yml', synthesize='DIR', test=CONFIG, train=CONFIG, visualize=f'{CONFIG} --what padding')
SIZES = dict(
    annotate=['stride'], audit=['shots', 'queries'], benchmark=['shots', 'categories', 'episodes', 'pairs', 'rounds'],
    benchmark_labelling=['shots', 'steps'], browse=['episodes', 'shots'], compare=['shots'],
    complexity=['shots', 'keypoints', 'rounds'], costs=['keypoints'], label=['animals', 'review', 'stride', 'suggest'],
    sweep=['seeds'], synthesize=['categories', 'instances', 'workers'], test=['shots', 'episodes', 'queries'],
    train=['shots'], visualize=['shots', 'slots'])
COUNTS = dict(
    benchmark_labelling=['corrections', 'draws'], browse=['seed'], compare=['top', 'resamples', 'seed'],
    label=['seed'], score=['resamples', 'seed'], synthesize=['seed'], train=['seed'], visualize=['seed'])
# Compared with what the data, the model or the machine has.
CHECKED_LATER = {'--split', '--port', '--layer', '--keypoints', '--categories', '--local_rank'}
CASES = [(command, option, value, least) for options, value, least in ((SIZES, '0', 1), (COUNTS, '-1', 0))
         for command, names in options.items() for option in names]


def call(monkeypatch, command, *more):
    monkeypatch.setattr(sys, 'argv', [f'capekit {command}', *NEEDED[command].split(), *more])
    load(command)()


@pytest.mark.parametrize(('command', 'option', 'value', 'least'), CASES)
def test_a_number_too_small_is_one_line(command, option, value, least, monkeypatch):
    for given in (value, 'x', '9' * 5000):
        with pytest.raises(CapekitError, match=f'^--{option} {given}: must be a whole number, {least} or more'):
            call(monkeypatch, command, f'--{option}', given)


class Parsed(BaseException):
    """The arguments were accepted."""


@pytest.mark.parametrize('command', sorted(NEEDED))
def test_no_number_is_left_without_bounds(command, monkeypatch):
    numbers = {}

    def stop(parser, *_):
        numbers.update({action.option_strings[0]: action.choices for action in parser._actions if action.type is int})
        raise Parsed
    for name in ('parse_args', 'parse_intermixed_args'):
        monkeypatch.setattr(argparse.ArgumentParser, name, stop)
    with pytest.raises(Parsed):
        call(monkeypatch, command)
    assert not {name for name, choices in numbers.items() if choices is None} - CHECKED_LATER


def test_every_command_with_numbers_is_looked_at():
    assert COMMANDS.keys() - NEEDED.keys() == {
        'replay', 'report', 'prepare_mp100', 'convert', 'convert_labels', 'configs', 'demo'}
