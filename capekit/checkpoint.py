"""Reading checkpoints: weights only, never code."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from capekit.errors import CapekitError
from capekit.files import atomic_write

# Prefixes that the authors' implementations use and capekit does not.
RELEASED_PREFIXES = ('encoder_sample.', 'encoder_query.', 'keypoint_head.', 'predictor.', 'backbone_projs.')


def read_checkpoint(path: str | Path) -> Any:
    """Read a `.pth` or `.safetensors` file onto the CPU.

    Raises:
        CapekitError: the file does not exist, is not a checkpoint, or is a pickle that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CapekitError(f'checkpoint {path}: no such file')
    if path.suffix == '.safetensors':
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        try:
            return load_file(path)
        except SafetensorError as error:
            raise CapekitError(f'checkpoint {path}: not a safetensors file ({error})') from None
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r'GLOBAL (\S+)', str(error))
        if culprit is None:
            raise CapekitError(f'checkpoint {path}: not a readable checkpoint') from None
        raise CapekitError(f'checkpoint {path}: refused, it is a pickle that would run code to build {culprit[1]}; '
                           'only plain tensors, numbers, strings, lists and dicts are read') from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise CapekitError(f'checkpoint {path}: not a readable checkpoint ({reason[0]})') from None


def save_checkpoint(content: dict, path: str | Path) -> None:
    """Write a checkpoint completely or not at all."""
    with atomic_write(path) as file:
        torch.save(content, file)


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


def fill_model(model: nn.Module, content: Any, path: str | Path) -> None:
    """Load what `read_checkpoint` gave into `model`, every parameter or none.

    Raises:
        CapekitError: no state dict, or that of another model; names the file at `path`.
    """
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CapekitError(f'checkpoint {path}: holds no state dict')
    own = model.state_dict()
    missing, unknown = [key for key in own if key not in state], [key for key in state if key not in own]
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unknown or wrong:
        hint = ''
        if any(key.startswith(RELEASED_PREFIXES) for key in unknown):
            hint = '; it looks like a released file: run `capekit convert` on it first'
        example = next(f'{kind} {keys[0]!r}' for kind, keys in
                       (('of another shape:', wrong), ('missing:', missing), ('unknown:', unknown)) if keys)
        raise CapekitError(f'checkpoint {path} is of another model: {len(missing)} parameters missing, {len(unknown)} '
                           f'unknown, {len(wrong)} of another shape, e.g. {example}{hint}')
    model.load_state_dict(state)
