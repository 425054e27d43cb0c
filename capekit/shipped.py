"""Where the shipped configs are: `configs/` in a checkout, beside the code in an installed package."""

from pathlib import Path

from capekit.errors import CapekitError

NAME = 'configs'


def shipped_configs() -> Path:
    """The folder of the shipped configs, always named `configs`."""
    package = Path(__file__).resolve().parent
    installed = package / NAME
    return installed if installed.is_dir() else package.parent / NAME


def find_config(path: str | Path) -> Path:
    """The config file of that path: the path itself if it exists, else `configs/...` among the shipped ones.

    Raises:
        CapekitError: the file does not exist.
    """
    path = Path(path)
    if path.is_file():
        return path
    shipped = shipped_configs().parent / path
    if path.parts[:1] == (NAME,) and shipped.is_file():
        return shipped
    raise CapekitError(f'config {path}: no such file, here or among the shipped ones; `capekit configs` lists those')
