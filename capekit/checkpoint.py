"""Reading checkpoints: weights only, never code."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from capekit.errors import CapekitError
from capekit.files import atomic_write, check_unpacked_size

# Prefixes that the authors' implementations use and capekit does not.
RELEASED_PREFIXES = ('encoder_sample.', 'encoder_query.', 'keypoint_head.', 'predictor.', 'backbone_projs.')


def read_checkpoint(path: str | Path) -> Any:
    """Read a `.pth` or `.safetensors` file onto the CPU.

    Raises:
        CapekitError: the file does not exist, is damaged, is not a checkpoint, unpacks to far more than it is, or is a
            pickle that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CapekitError(f'checkpoint {path}: no such file')
    if path.suffix == '.safetensors':
        from safetensors.torch import load_file
        try:
            return load_file(path)
        except Exception as error:  # several kinds on damaged files
            raise CapekitError(f'checkpoint {path}: not a safetensors file ({first_line(error)})') from None
    _refuse_damaged(path)
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r'GLOBAL (\S+)', str(error))
        if culprit is None:
            raise CapekitError(f'checkpoint {path}: not a readable checkpoint') from None
        raise CapekitError(f'checkpoint {path}: refused, it is a pickle that would run code to build {culprit[1]}; '
                           'only plain tensors, numbers, strings, lists and dicts are read') from None
    except Exception as error:  # a damaged pickle may raise any kind
        raise CapekitError(f'checkpoint {path}: not a readable checkpoint ({first_line(error)})') from None


def _refuse_damaged(path: Path) -> None:
    """Compare a zip archive, which is what torch writes, with its checksums; torch reads it without."""
    try:
        if not zipfile.is_zipfile(path):  # an older kind, or not whole
            return
        check_unpacked_size(path)
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except CapekitError as error:
        raise CapekitError(f'checkpoint {error}') from None
    except Exception as error:  # zipfile raises many kinds on damaged headers
        raise CapekitError(f'checkpoint {path}: damaged ({first_line(error)})') from None
    if damaged is not None:
        raise CapekitError(f'checkpoint {path}: damaged: the checksum of {damaged!r} does not match')


def plain(value: Any, where: str) -> Any:
    """`value` with numpy scalars and arrays, tuples and dict subclasses turned into what weights-only loading takes.

    Raises:
        TypeError: something else is in it; names the key `where` it stands.
    """
    if isinstance(value, dict):
        return {plain(key, where): plain(item, f'{where}.{key}') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item, where) for item in value) if type(value) in (list, tuple) \
            else [plain(item, where) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, (type(None), bool, int, float, str, bytes, torch.Tensor)):
        return value
    raise TypeError(f'checkpoint key {where} holds a {type(value).__name__}, which could not be read back')


def save_checkpoint(content: dict, path: str | Path) -> None:
    """Write a checkpoint completely or not at all.

    Raises:
        CapekitError: the file cannot be written.
    """
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # what torch makes of a full disk
            raise CapekitError(f'{path}: cannot be written ({first_line(error)})') from None


def load_weights(model: nn.Module, path: str | Path) -> dict:
    """Load a capekit checkpoint into `model`: every parameter or none.

    Returns:
        the checkpoint's `meta` (dict, empty where there is none).

    Raises:
        CapekitError: as `read_checkpoint`, or the checkpoint belongs to another model.
    """
    content = read_checkpoint(path)
    fill_model(model, content, path)
    return content.get('meta', {}) if 'state_dict' in content else {}


def state_dict_of(content: Any, path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors by name in what `read_checkpoint` gave: the content itself, or its `state_dict`.

    Raises:
        CapekitError: there are none; names the file at `path`.
    """
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(name, str) and isinstance(value, torch.Tensor)
                                              for name, value in state.items()):
        raise CapekitError(f'checkpoint {path}: holds no state dict')
    return state


def fill_model(model: nn.Module, content: Any, path: str | Path) -> None:
    """Load what `read_checkpoint` gave into `model`, every parameter or none.

    Raises:
        CapekitError: as `fitting_state`.
    """
    model.load_state_dict(fitting_state(model, content, path))


def fitting_state(model: nn.Module, content: Any, path: str | Path) -> dict:
    """The state dict in what `read_checkpoint` gave, checked to be one of `model`.

    Raises:
        CapekitError: no state dict, that of another model, or values that are not finite; names the file at `path`.
    """
    state = state_dict_of(content, path)
    own = model.state_dict()
    missing, unknown = [key for key in own if key not in state], [key for key in state if key not in own]
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unknown or wrong:
        hint = ''
        if any(str(key).startswith(RELEASED_PREFIXES) for key in unknown):
            hint = '; it looks like a released file: run `capekit convert` on it first'
        example = next(f'{kind} {keys[0]!r}' for kind, keys in
                       (('of another shape:', wrong), ('missing:', missing), ('unknown:', unknown)) if keys)
        raise CapekitError(f'checkpoint {path} is of another model: {len(missing)} parameters missing, {len(unknown)} '
                           f'unknown, {len(wrong)} of another shape, e.g. {example}{hint}')
    if broken := not_finite(state):
        raise CapekitError(f'checkpoint {path}: {len(broken)} of {len(state)} parameters hold values that are not '
                           f'finite, e.g. {broken[0]!r}')
    return state


def not_finite(state: dict) -> list:
    """Names of the tensors that hold nan or infinite values."""
    return [name for name, value in state.items() if not torch.isfinite(value).all()]


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
