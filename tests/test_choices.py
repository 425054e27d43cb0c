"""Options with a fixed set of values."""

import inspect
from typing import Literal

import pytest

from capekit.choices import checked
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
