"""What a class or function named in a config accepts: its signature, and the keys that its source reads."""

import ast
import difflib
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.registry import Registry
from mmengine.runner import Runner

from capekit.errors import CapekitError
from capekit.registry import MODELS


def resolve(name: Any, parent: Registry, where: str) -> Any:
    """The class or function of that name in `parent` or a registry above it; `where` is the dotted key, for messages.

    Raises:
        CapekitError: nothing has that name, its package lacks something, or it is no name.
    """
    if not isinstance(name, str):
        if not callable(name):
            raise CapekitError(f'{where}={name!r} is neither a name nor a class')
        return name
    try:
        target = parent.get(name)
    except ImportError as error:  # mmpose's models need full mmcv and mmdet
        raise CapekitError(f'{where}: {name!r} cannot be imported: {error}; install what that package needs') from None
    if callable(target):  # mmengine also finds modules by name
        return target
    own: list[str] = []
    level: Registry | None = parent
    while level is not None:
        level.import_from_location()
        own, level = own + list(level.module_dict), level.parent
    near = difflib.get_close_matches(name, own, 3, 0.5)
    valid = sorted(parent.module_dict) or sorted(set(own))
    hint = f'; did you mean {" or ".join(near)}?' if near else ';'
    scope = f' (is the package of {name.split(".")[0]!r} installed?)' if '.' in name else ''
    raise CapekitError(f'{where}: {name!r} is not a known {parent.name}{scope}{hint} valid: {", ".join(valid)}')


def refuse_unknown(keys: Iterable[str], valid: Iterable[str] | None, where: str, owner: str) -> None:
    """Raise a CapekitError that names the first of `keys` that is not in `valid`; None = anything is valid.

    Args:
        where: the dotted key that `keys` stand under.
        owner: what reads them.
    """
    if valid is None:
        return
    valid = [*valid, 'type']
    for key in keys:
        if key not in valid:
            near = difflib.get_close_matches(key, valid, 1, 0.5)
            hint = f'did you mean {near[0]!r}? ' if near else ''
            raise CapekitError(f'{where}: unknown option {key!r} for {owner}; {hint}valid: '
                               f'{", ".join(sorted(set(valid) - {"type"}))}')


@functools.cache
def keys_read(target: Callable, name: str) -> frozenset:
    """Keys that the source of a function or class reads from the dict it calls `name`: by [], get, pop or in."""
    keys = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(target)))):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr='get' | 'pop'), args=[ast.Constant(value=str(key)), *_]):
                pass
            case ast.Subscript(value=owner, slice=ast.Constant(value=str(key))):
                pass
            case ast.Compare(left=ast.Constant(value=str(key)), comparators=[owner]):
                pass
            case _:
                continue
        if ast.unparse(owner) == name:
            keys.add(key)
    return frozenset(keys)


def parameters(target: Any, config: dict | None = None) -> list | None:
    """Names of the options that a class or function accepts, given the others; None if it accepts any.

    A `**kwargs` passed on to the parent class accepts that class's options; beyond that, two hooks are known.
    """
    names: list[str] = []
    chain = ([vars(c)['__init__'] for c in target.__mro__ if '__init__' in vars(c)] if inspect.isclass(target)
             else [target])
    for function in chain:
        if function is object.__init__:
            return names
        taken = inspect.signature(function).parameters.values()
        names += [p.name for p in taken
                  if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != 'self']
        rest = [p.name for p in taken if p.kind is p.VAR_KEYWORD]
        if not rest:
            return names
        if function is EMAHook.__init__:
            ema_type = (config or {}).get('ema_type', 'ExponentialMovingAverage')
            own = parameters(resolve(ema_type, MODELS, 'EMAHook.ema_type'))
            return None if own is None else names + own
        if function is CheckpointHook.__init__:
            return [*names, *(name for name in inspect.signature(Runner.save_checkpoint).parameters if name != 'self')]
        if not _passed_on(function, rest[0]):
            return None
        names += keys_read(function, rest[0])
    return None


def _passed_on(function: Callable, kwargs: str) -> bool:
    """Whether an __init__ passes its `**kwargs` to the parent's __init__."""
    try:
        calls = [node for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
                 if isinstance(node, ast.Call)]
    except (OSError, TypeError, SyntaxError):  # no source available
        return False
    return any(ast.unparse(call.func).endswith('.__init__')
               and any(word.arg is None and ast.unparse(word.value) == kwargs for word in call.keywords)
               for call in calls)


def refuse_frozen(config: Config) -> None:
    """Raise a CapekitError if a config's head, or its model without one, has nothing to train: `frozen`."""
    model = config.get('model') or {}
    head = model.get('head')
    part, where = (head, 'model.head.type') if head else (model, 'model.type')
    target = resolve(part['type'], MODELS, where) if 'type' in part else None
    if target is not None and getattr(target, 'frozen', False):
        raise CapekitError(f'config {config.filename}: {target.__name__} has nothing to train; test it without a '
                           'checkpoint: tools/test.py CONFIG')
