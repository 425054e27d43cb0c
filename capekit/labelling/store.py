"""A fitted model in one file: tensors in safetensors, everything else as JSON in its header. Nothing in it is run."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from capekit.errors import CapekitError
from capekit.files import atomic_write

FORMAT = 'capekit-labelling-2'


def write_model(path: str | Path, tensors: dict[str, Tensor], settings: dict[str, Any]) -> None:
    """Write the file whole or not at all.

    Raises:
        CapekitError: it cannot be written.
    """
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()},
                   # One entry: the library writes several in any order.
                   {FORMAT: json.dumps(settings, sort_keys=True)})
    with atomic_write(path) as file:
        file.write(content)


def read_model(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and settings of a file of `write_model`.

    Raises:
        CapekitError: no such file, damaged, or of another kind.
    """
    if not Path(path).is_file():
        raise CapekitError(f'model {path}: no such file')
    try:
        with safe_open(str(path), 'pt') as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CapekitError(f'model {path}: damaged ({error})') from None
    if FORMAT not in header:
        raise CapekitError(f'model {path}: of another version of capekit, or no model')
    try:
        return tensors, json.loads(header[FORMAT])
    except (ValueError, RecursionError) as error:
        raise CapekitError(f'model {path}: damaged ({error})') from None
