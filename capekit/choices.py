"""Options with a fixed set of values: annotated as `Literal`, checked here."""

import functools
import inspect
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, get_args, get_origin

from capekit.errors import CapekitError

P = ParamSpec('P')
R = TypeVar('R')


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse values that the `Literal` annotations of a function or `__init__` do not list.

    Raises:
        CapekitError: when the decorated function is called; names the option, its owner and the valid values.
    """
    signature = inspect.signature(function)
    choices = {name: get_args(parameter.annotation) for name, parameter in signature.parameters.items()
               if get_origin(parameter.annotation) is Literal}
    owner = function.__qualname__.removesuffix('.__init__')

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Arguments that do not match the signature are the function's own error.
        for name, value in signature.bind_partial(*args, **kwargs).arguments.items():
            if name in choices and value not in choices[name]:
                raise CapekitError(f'{owner}: {name}={value!r} is not one of {", ".join(map(str, choices[name]))}')
        return function(*args, **kwargs)
    return call
