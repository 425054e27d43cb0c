"""Values that an option accepts: stated once, in its annotation, and checked from there.

`Literal` lists choices, `Annotated[float, Range(...)]` bounds a number; the names below are the usual ones. `checked`
enforces them when a function is called, `capekit.engine.config` when a config is read.
"""

import functools
import inspect
import math
import numbers
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from capekit.errors import CapekitError

P = ParamSpec('P')
R = TypeVar('R')

_NOUNS = {int: 'a whole number', float: 'a number', bool: 'True or False', str: 'a string', dict: 'a dict',
          os.PathLike: 'a path', type(None): 'None'}
_LISTS = (Sequence, Iterable, list, tuple)


class Rule:
    """What an annotation asks of a value beyond its type."""

    def allows(self, value: Any, others: Mapping) -> bool:
        """Whether it holds for a value of the right type; `others` are the options beside it."""
        raise NotImplementedError

    def text(self, others: Mapping) -> str:
        """What it asks for, for messages."""
        raise NotImplementedError


@dataclass(frozen=True)
class Range(Rule):
    """A finite number within bounds; with a `step`, one of `low`, `low + step`, `low + 2 * step`, ..."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    step: int = 0

    def allows(self, value: Any, others: Mapping) -> bool:
        return (abs(value) < math.inf and (self.low is None or value >= self.low)
                and (self.high is None or value <= self.high) and (self.above is None or value > self.above)
                and (self.below is None or value < self.below)
                and not (self.step and (value - (self.low or 0)) % self.step))

    def text(self, others: Mapping) -> str:
        low = self.low or 0
        if self.step:
            return f'{low:g}, {low + self.step:g}, {low + 2 * self.step:g}, ...'
        bounds = ((self.low, '{} or more'), (self.above, 'above {}'), (self.high, 'at most {}'),
                  (self.below, 'below {}'))
        return ' and '.join(text.format(bound) for bound, text in bounds if bound is not None)


@dataclass(frozen=True)
class Divides(Rule):
    """A number that divides another option."""

    other: str

    def allows(self, value: Any, others: Mapping) -> bool:
        other = others.get(self.other)
        return not isinstance(other, int) or other % value == 0

    def text(self, others: Mapping) -> str:
        return f'a divisor of {self.other}={others.get(self.other)}'


@dataclass(frozen=True)
class Ascending(Rule):
    """A list of ascending numbers, at least one, or `length` of them; equal ones only if `equal`."""

    length: int | None = None
    equal: bool = False

    def allows(self, value: Any, others: Mapping) -> bool:
        return (len(value) > 0 if self.length is None else len(value) == self.length) \
            and all(a < b or self.equal and a == b for a, b in zip(value, value[1:], strict=False))

    def text(self, others: Mapping) -> str:
        return 'ascending, ' + ('at least one' if self.length is None else f'{self.length} of them')


@dataclass(frozen=True)
class Length(Rule):
    """A list of that many items."""

    length: int

    def allows(self, value: Any, others: Mapping) -> bool:
        return len(value) == self.length

    def text(self, others: Mapping) -> str:
        return f'{self.length} of them'


Count = Annotated[int, Range(low=0)]
Size = Annotated[int, Range(low=1)]
OddSize = Annotated[int, Range(low=1, step=2)]
Heads = Annotated[int, Range(low=1), Divides('channels')]
Positive = Annotated[float, Range(above=0)]
Weight = Annotated[float, Range(low=0)]
Fraction = Annotated[float, Range(above=0, below=1)]
Share = Annotated[float, Range(low=0, high=1)]
Channels = Annotated[int, Range(low=4, step=4)]  # two sines and two cosines of every position
Dropout = Annotated[float, Range(low=0, below=1)]
Seed = Annotated[int, Range(low=0, below=2 ** 32)]


def valid(value: Any, annotation: Any, others: Mapping | None = None) -> bool:
    """Whether an annotation allows a value; `others` are the options beside it. Unknown classes allow anything but
    numbers.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return valid(value, inner[0], others) and all(rule.allows(value, others or {}) for rule in inner[1:])
    if origin in (Union, types.UnionType):
        return any(valid(value, part, others) for part in inner)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if origin in _LISTS or annotation in _LISTS:
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and ... not in inner:
            return len(value) == len(inner) and all(map(valid, value, inner))
        return not inner or all(valid(item, inner[0]) for item in value)
    if annotation is int or annotation is float:
        kind = numbers.Integral if annotation is int else numbers.Real
        return not isinstance(value, bool) and isinstance(value, kind) and value == value  # not nan
    if dict in (origin, annotation) or Mapping in (origin, annotation):
        return isinstance(value, Mapping)
    if Callable in (origin, annotation):
        return callable(value)
    if annotation in (bool, str, type(None), os.PathLike):
        return isinstance(value, annotation) or annotation is str and isinstance(value, type)  # for its name
    number = isinstance(value, (bool, int, float))
    return not number or not isinstance(annotation, type) or isinstance(value, annotation)


def expected(annotation: Any, others: Mapping | None = None) -> str:
    """What `valid` asks for, for messages: 'must be a whole number, 1 or more', 'is not one of red, green'."""
    if get_origin(annotation) is Literal:
        return f'is not one of {", ".join(map(str, get_args(annotation)))}'
    return f'must be {_noun(annotation, others or {})}'


def _noun(annotation: Any, others: Mapping) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return ', '.join([_noun(inner[0], others), *(rule.text(others) for rule in inner[1:])])
    if origin in (Union, types.UnionType):
        return ', or '.join(_noun(part, others) for part in sorted(inner, key=lambda part: part is type(None)))
    if origin is Literal:
        return ' or '.join(map(repr, inner))
    if origin in _LISTS or annotation in _LISTS:
        if origin is tuple and ... not in inner:
            return f'({"; ".join(_noun(part, others) for part in inner)})'
        return f'a list (each {_noun(inner[0], others)})' if inner else 'a list'
    return _NOUNS.get(origin or annotation) or str(getattr(annotation, '__name__', annotation))


def refuse_invalid(options: Mapping, allowed: Mapping, where: str) -> None:
    """Raise a CapekitError that names the first option whose value its annotation does not allow.

    Args:
        allowed: annotation by option; options without one may be anything.
        where: what the option's name is put behind: 'Owner: ', 'dotted.key.'.
    """
    for name, value in options.items():
        if name in allowed and not valid(value, allowed[name], options):
            raise CapekitError(f'{where}{name}={value!r:.300} {expected(allowed[name], options)}')


@functools.cache
def annotations(function: Callable) -> dict:
    """Option -> annotation of a function, without those that cannot be resolved."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # of another package, which imports its types for checkers only
        hints = {name: parameter.annotation for name, parameter in inspect.signature(function).parameters.items()
                 if not isinstance(parameter.annotation, str)}
    return {name: hint for name, hint in hints.items() if name != 'return' and hint is not inspect.Parameter.empty}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse values that the annotations of a function or `__init__` do not allow.

    Raises:
        CapekitError: when the decorated function is called; names the option, its owner and the valid values.
    """
    signature = inspect.signature(function)
    owner = function.__qualname__.removesuffix('.__init__')

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Arguments that do not match the signature are the function's own error.
        given = signature.bind_partial(*args, **kwargs)
        given.apply_defaults()
        refuse_invalid(given.arguments, allowed, f'{owner}: ')
        return function(*args, **kwargs)
    allowed = annotations(function)
    return call
