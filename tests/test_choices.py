"""Values that an annotation lists or bounds."""

import inspect
from collections.abc import Sequence
from typing import Annotated, Literal

import pytest

from capekit.choices import Ascending, Heads, Range, Share, Size, checked
from capekit.errors import CapekitError


class Thing:
    @checked
    def __init__(self, size: int, colour: Literal['red', 'green'] = 'red'):
        self.size, self.colour = size, colour


def test_a_listed_value_passes_by_position_and_by_name():
    assert Thing(1).colour == 'red' and Thing(1, 'green').colour == Thing(1, colour='green').colour == 'green'


@pytest.mark.parametrize('call', [lambda: Thing(1, 'blue'), lambda: Thing(1, colour='blue'),
                                  lambda: Thing(size=1, colour='blue')])
def test_another_value_is_named_with_its_owner_and_the_valid_ones(call):
    with pytest.raises(CapekitError, match="^Thing: colour='blue' is not one of red, green$"):
        call()


def test_a_list_is_no_choice():
    with pytest.raises(CapekitError, match="colour=\\['red'\\] is not one of"):
        Thing(1, ['red'])


def test_the_signature_stays_and_wrong_arguments_are_python_errors():
    assert list(inspect.signature(Thing).parameters) == ['size', 'colour']
    with pytest.raises(TypeError):
        Thing()


@checked
def draw(channels: int = 8, num_heads: Heads = 4, share: Share = 0.5, widths: Sequence[Size] = (1,),
         levels: Annotated[Sequence[float], Ascending()] = (0.1,), corner: tuple[int, int] = (0, 0),
         step: Annotated[int, Range(low=1, step=2)] = 1, filled: bool = True, size: Size | None = None):
    return size


@pytest.mark.parametrize(('option', 'value', 'message'), [
    ('num_heads', 3, 'num_heads=3 must be a whole number, 1 or more, a divisor of channels=8'),
    ('channels', 6, 'num_heads=4 must be a whole number, 1 or more, a divisor of channels=6'),
    ('share', 1.5, 'share=1.5 must be a number, 0 or more and at most 1'), ('share', float('nan'), 'share=nan'),
    ('share', float('inf'), 'share=inf'), ('share', '0.5', "share='0.5'"), ('share', True, 'share=True'),
    ('widths', 3, 'widths=3 must be a list (each a whole number, 1 or more)'), ('widths', '3', "widths='3'"),
    ('widths', [1, 0], r'widths=[1, 0]'), ('widths', [1, 2.0], 'widths=[1, 2.0]'),
    ('levels', (0.2, 0.1), 'levels=(0.2, 0.1) must be a list (each a number), ascending, at least one'),
    ('levels', [], 'levels=[]'), ('levels', [0.1, float('nan')], 'levels=[0.1, nan]'),
    ('corner', [1], 'corner=[1] must be (a whole number; a whole number)'), ('corner', (1, None), 'corner=(1, None)'),
    ('step', 4, 'step=4 must be a whole number, 1, 3, 5, ...'), ('filled', 1, 'filled=1 must be True or False'),
    ('size', 0, 'size=0 must be a whole number, 1 or more, or None'), ('size', 1.0, 'size=1.0')])
def test_a_value_out_of_bounds_is_named_with_them(option, value, message):
    with pytest.raises(CapekitError) as error:
        draw(**{option: value})
    assert f'draw: {message}' in str(error.value)


def test_values_within_bounds_pass():
    assert draw(9, 3, 0, [1, 10 ** 400], (0.1, 0.2), [0, -1], 3, False, 7) == 7
