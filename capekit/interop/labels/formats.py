"""The table of formats, and `read` and `write` for all of them."""

import inspect
import os
from collections.abc import Callable

from capekit.errors import CapekitError

from .coco import COCO
from .cvat import CVAT
from .cvat_xml import CVAT_XML
from .dlc import DLC, LP
from .dlc_h5 import DLC_H5
from .format import Format, check_losses, library
from .label_studio import LABEL_STUDIO
from .labelme import LABELME
from .labelset import LabelSet
from .long_csv import LONG_CSV
from .sizes import fill_sizes
from .sleap_analysis import ANALYSIS
from .slp import SLP

FORMATS: dict[str, Format] = {format.name: format for format in (
    COCO, DLC, DLC_H5, LP, SLP, ANALYSIS, CVAT, CVAT_XML, LABEL_STUDIO, LABELME, LONG_CSV)}


def read(path: str | os.PathLike, format: str, images: str | os.PathLike | None = None, **options) -> LabelSet:
    """The labels in a file of another tool.

    Args:
        path: the file; for labelme, a folder of them.
        format: a key of `FORMATS`.
        images: folder of the images; image sizes that the file does not state are then read from them.
        options: those of the format, such as `category` and `skeleton_base` of COCO; docs/label_formats.md lists them.

    Raises:
        CapekitError: the file is missing or not of that format, names one record, or an option is not the format's.
    """
    chosen = _format(format)
    _check_options(f'reading {chosen.name}', chosen.read, options)
    path = os.fspath(path)
    if not os.path.exists(path):
        raise CapekitError(f'{path}: no such file')
    try:
        labels = chosen.read(path, **options)
    except CapekitError as error:
        raise CapekitError(str(error) if str(error).startswith(path) else f'{path}: {error}') from None
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        # Readers check what people get wrong; this is a file in which, say, a list stands for a name.
        raise CapekitError(f'{path}: not a file of the format {chosen.title} ({type(error).__name__}: {error})'
                           ) from error
    if images is not None:
        fill_sizes(labels, os.fspath(images))
    return labels


def write(path: str | os.PathLike, format: str, labels: LabelSet, overwrite: bool = False, **options) -> None:
    """Write labels as a file of another tool, whole or not at all. What it has no place for is announced.

    Args:
        path: the file; for labelme, a folder.
        format: a key of `FORMATS`.
        overwrite: replace an existing file.
        options: those of the format, such as `scorer` of DeepLabCut; docs/label_formats.md lists them.

    Raises:
        CapekitError: the file exists, cannot be written, or has no place for several animals or for frames; or an
            option is not the format's.
    """
    chosen = _format(format)
    _check_options(f'writing {chosen.name}', chosen.write, options)
    path = os.fspath(path)
    existing = [file for file in chosen.files(path, labels) if os.path.lexists(file)]
    if existing and not overwrite:
        raise CapekitError(f'{existing[0]}: is there already; choose another name, or overwrite it (--overwrite)')
    check_losses(path, labels, chosen)
    try:
        chosen.write(path, labels, **options)
    except UnicodeEncodeError as error:
        raise CapekitError(f'{path}: a name has {error.object[error.start]!r}, which is no character that this format '
                           'can hold') from None


def check_libraries(format: str) -> None:
    """Raise a CapekitError unless the libraries of a format are installed."""
    for name in _format(format).libraries:
        library(name)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise CapekitError(f'no label format {name!r}; valid: {", ".join(FORMATS)}')
    return FORMATS[name]


def _check_options(what: str, function: Callable, options: dict) -> None:
    valid = [name for name, parameter in inspect.signature(function).parameters.items()
             if parameter.kind is parameter.KEYWORD_ONLY]
    for name in options:
        if name not in valid:
            raise CapekitError(f'{what}: no option {name!r}; valid: {", ".join(valid) or "none"}')
