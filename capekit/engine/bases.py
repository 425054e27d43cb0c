"""The `_base_` files of a config, looked at before mmengine reads them: none may be missing or lead back to itself."""

import tempfile
from pathlib import Path

from mmengine.config import Config

from capekit.engine.protocol import renamed
from capekit.errors import CapekitError

SUFFIXES = ('.py', '.yml', '.yaml', '.json')


def check_bases(path: str | Path, chain: tuple[Path, ...] = ()) -> None:
    """Raise a CapekitError if a `_base_` of a config, or one of its own, does not exist or inherits from itself, or if
    one of these files is no config by its name.

    Args:
        path: of a config file that exists.
        chain: the configs that led to it.
    """
    path = Path(path).resolve()
    if path in chain:
        names = ' -> '.join(str(config) for config in (*chain[chain.index(path):], path))
        raise CapekitError(f'config {chain[0]}: circular _base_: {names}')
    if path.suffix not in SUFFIXES:
        raise CapekitError(f'config {path}: not a config; valid: {", ".join(SUFFIXES)}')
    for base in _bases(path):
        if not base.is_file():
            raise CapekitError(f'config {path}: _base_ {base}: no such file{renamed(base)}')
        check_bases(base, (*chain, path))


def _bases(path: Path) -> list[Path]:
    """The files that `_base_` names; none where mmengine itself will report that it cannot read the config."""
    with tempfile.TemporaryDirectory() as folder:
        plain = str(path)
        try:
            if '{{' in path.read_text(encoding='utf-8'):
                plain = f'{folder}/config{path.suffix}'
                Config._substitute_predefined_vars(str(path), plain)
                Config._substitute_env_variables(plain, plain)
                Config._pre_substitute_base_vars(plain, plain)
            return [Path(Config._get_cfg_path(base, str(path))[0]).resolve() for base in Config._get_base_files(plain)]
        except Exception:  # a config is code
            return []
