"""Which format a file has, where its content leaves no doubt."""

import csv
import logging
import os
import zipfile
from itertools import islice
from pathlib import Path

from mmengine.logging import print_log

from capekit.errors import CapekitError
from capekit.files import read_json

from .long_csv import HEADER

_HDF5 = b'\x89HDF\r\n\x1a\n'


def detect(path: str | os.PathLike, option: str = '--from') -> str:
    """The format of a file, announced; `option` is the command's that states it, for the error.

    Raises:
        CapekitError: the file is missing, or its content is of no format or could be of several.
    """
    place = Path(path)
    try:
        found = _folder(place) if place.is_dir() else _file(place)
    except OSError as error:
        raise CapekitError(f'{path}: cannot be read ({error.strerror or error})') from None
    if len(found) != 1:
        raise CapekitError(f'{path}: {"may be " + " or ".join(found) if found else "of no format that is known"}; say '
                           f'which it is ({option})')
    print_log(f'{path}: read as {found[0]}', 'current', logging.INFO)
    return found[0]


def _folder(path: Path) -> list[str]:
    files = sorted(path.rglob('*.json'))
    return ['labelme'] if files and all(_json(file) == ['labelme'] for file in files) else []


def _file(path: Path) -> list[str]:
    with open(path, 'rb') as file:
        start = file.read(4096)
    if start.startswith(_HDF5):
        return ['slp'] if path.suffix == '.slp' else ['sleap-analysis', 'dlc-h5']
    if zipfile.is_zipfile(path):
        return ['cvat']
    if start.lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<'):
        return ['cvat-xml'] if b'<annotations' in start else []
    if start.lstrip(b'\xef\xbb\xbf \t\r\n').startswith((b'{', b'[')):
        return _json(path)
    return _csv(path)


def _json(path: Path) -> list[str]:
    try:
        content = read_json(path)
    except CapekitError:
        return []
    if isinstance(content, list):
        tasks = bool(content) and all(isinstance(task, dict) and 'data' in task for task in content)
        return ['label-studio'] if tasks else []
    if {'shapes', 'imagePath'} <= content.keys():
        return ['labelme']
    # An export of CVAT is a COCO file, but counts its links from 1.
    if not all(isinstance(content.get(key), list) for key in ('images', 'annotations', 'categories')):
        return []
    attributes = [annotation.get('attributes') for annotation in content['annotations'] if isinstance(annotation, dict)]
    return ['cvat'] if any(isinstance(each, dict) and 'occluded' in each for each in attributes) else ['coco']


def _csv(path: Path) -> list[str]:
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            lines = list(islice(csv.reader(file), 3))
    except (UnicodeDecodeError, csv.Error):
        return []
    if lines and lines[0][:len(HEADER)] == HEADER:
        return ['csv']
    # Lightning Pose's table is one of DeepLabCut's and read in the same way.
    return ['dlc'] if lines and lines[0][:1] == ['scorer'] else []
