"""A CapekitError is one line, whatever the names in it hold."""

import pytest

from capekit.errors import CapekitError, one_line, printable


@pytest.mark.parametrize('name, expected', [
    ('a\nb.jpg', r'a\nb.jpg'), ('\x1b[31mred', r'\x1b[31mred'), ('a\u202egpj.exe', r'a\u202egpj.exe'),
    ('half \ud800', r'half \ud800'), ('Käfer 甲', 'Käfer 甲')])
def test_names_are_escaped(name, expected):
    assert printable(name) == expected
    assert str(CapekitError(f'{name}: missing')) == f'{expected}: missing'


def test_a_message_of_several_lines_is_kept_in_one():
    error = CapekitError('first: what\n  then: why\n')
    assert str(error) == r'first: what\n  then: why'
    assert one_line('Missing keys:\n\thead.weight\n\n') == 'Missing keys:; head.weight'


def test_an_error_of_a_worker_is_its_message():
    # As torch re-raises it: its type called with the traceback.
    traceback = 'Caught CapekitError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n ...'
    assert str(CapekitError(f'{traceback}\ncapekit.errors.CapekitError: a.jpg: damaged\n')) == 'a.jpg: damaged'
