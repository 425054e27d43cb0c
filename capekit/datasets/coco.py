"""COCO keypoint files with many categories: their records, checked one by one and joined over several files."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capekit.datasets.annotations import clip_box, is_number, shown
from capekit.datasets.settings import Findings
from capekit.datasets.skeleton import title
from capekit.datasets.splits import resolve_categories
from capekit.errors import CapekitError

__all__ = ['Category', 'RawInstance', 'clip_box', 'id_fault', 'join_categories', 'keypoint_counts', 'leads_out',
           'read_annotation_file', 'select_categories', 'size_fault']

LARGEST_ID = 2 ** 63 - 1


@dataclass(frozen=True, eq=False)
class Category:
    """One category of the annotation files."""

    id: int
    name: str
    """Not unique in MP-100: use `id` as the key."""
    supercategory: str
    """One of MP-100's eight groups where known (see `splits.supercategory_of`), else the one in the file."""
    num_keypoints: int
    keypoint_names: tuple[str, ...]
    """Empty where the file names none."""
    links: np.ndarray
    """(E, 2) int64 zero-based keypoint pairs; may be empty, may repeat a pair."""


@dataclass
class RawInstance:
    """An annotation that counts."""

    category_id: int
    keypoints: np.ndarray
    """(K, 3) float64 x, y in image pixels and v as in the file."""
    box: list
    """x, y, w, h as stated."""
    bbox: np.ndarray
    """(4,) float64 clipped x, y, w, h."""
    image_file: str
    image_size: tuple[int, int]
    """Width, height as stated in the file."""
    image_id: int
    annotation_id: int
    ann_file: str

    @property
    def labelled(self) -> np.ndarray:
        """(N, 2) x, y of the labelled keypoints."""
        return self.keypoints[self.keypoints[:, 2] > 0, :2]

    def __str__(self) -> str:
        return f'{self.ann_file}: annotation {self.annotation_id}'


def read_annotation_file(path: str, findings: Findings | None = None) -> tuple[dict, str]:
    """The parsed COCO keypoint file, its image and category records checked, and the sha256 of its bytes.

    In file names a backslash becomes a slash, of which `findings` are told. An image's size may be null.

    Raises:
        CapekitError: the file is missing, is not JSON, is not a COCO keypoint file, or has an image or category
            without a proper id, name or size, or with the id of another one.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        raise CapekitError(f'{path}: cannot read the annotation file ({error.strerror})') from None
    content = _parse(path, data)
    for key, needed in (('images', ('id', 'file_name', 'width', 'height')), ('categories', ('id', 'name')),
                        ('annotations', ('id', 'image_id', 'category_id'))):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise CapekitError(f"{path}: not a COCO keypoint file: the list '{key}' is missing")
        for place, record in enumerate(content[key]):
            missing = [name for name in needed if not isinstance(record, dict) or name not in record]
            if missing:
                raise CapekitError(f"{path}: {key}[{place}] has no '{missing[0]}'")
    for key, check in (('images', _image_fault), ('categories', _category_fault)):
        seen: dict[int, tuple] = {}
        for place, record in enumerate(content[key]):
            fault = id_fault(record, 'id') or check(record)
            if fault:
                raise CapekitError(f'{path}: {key}[{place}] {fault}')
            first, known = seen.setdefault(record['id'], (place, record))
            if known != record:
                raise CapekitError(f'{path}: {key}[{place}] has the id {record["id"]} of {key}[{first}]: '
                                   f'{_difference(record, known)}; give each its own id')
    windows = [image for image in content['images'] if '\\' in image['file_name']]
    for image in content['images']:
        image.update((key, int(image[key])) for key in ('width', 'height') if image[key] is not None)
    for image in windows:
        image['file_name'] = image['file_name'].replace('\\', '/')
    if windows and findings is not None:
        findings.note(f"{path}: backslashes in {len(windows)} file names are read as slashes, first "
                      f"{windows[0]['file_name']}")
    return content, hashlib.sha256(data).hexdigest()


def _parse(path: str, data: bytes) -> Any:
    if not data.strip():
        raise CapekitError(f'{path}: the annotation file is empty; expected COCO keypoint JSON')
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise CapekitError(f'{path}: invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}') from None
    except UnicodeDecodeError:
        raise CapekitError(f'{path}: invalid JSON: the file is not UTF-8 text') from None
    except (ValueError, RecursionError, MemoryError) as error:  # a number of thousands of digits, a very deep list
        raise CapekitError(f'{path}: JSON that cannot be read: {error}') from None


def id_fault(record: dict, key: str) -> str | None:
    """What is wrong with an id, or None."""
    value = record[key]
    return None if type(value) is int and 0 <= value <= LARGEST_ID else (
        f'has {key} {shown(value)}; expected a whole number from 0 to 2**63 - 1, without quotes')


def _image_fault(image: dict) -> str | None:
    name = image['file_name']
    if not isinstance(name, str) or not name.strip() or '\0' in name or not _writable(name):
        return f'(id {image["id"]}) has file_name {shown(name)}; expected a path below the image folder'
    return size_fault(image) if image['width'] is not None and image['height'] is not None else None


def size_fault(image: dict) -> str | None:
    """What is wrong with the size of an image, or None."""
    for key in ('width', 'height'):
        if not is_number(image[key]) or image[key] < 1 or image[key] % 1:
            return f'(id {image["id"]}) has {key} {shown(image[key])}; expected a whole number of pixels, 1 or more'
    return None


def _writable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _category_fault(category: dict) -> str | None:
    if not isinstance(category['name'], str) or not category['name']:
        return f'(id {category["id"]}) has name {shown(category["name"])}; expected text'
    names = category.get('keypoints')
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return f'(id {category["id"]}) has keypoints {shown(names)}; expected a list of names'
    return None


def _difference(record: dict, known: dict) -> str:
    for key in (key for key in {**known, **record} if record.get(key) != known.get(key)):
        return f'{key} is {shown(record.get(key))} here and {shown(known.get(key))} there'
    return 'one has keys that the other lacks'


def leads_out(name: str) -> bool:
    """Whether a `file_name` leads out of the image folder by what it says, links aside."""
    return os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == '..' or bool(re.match('[A-Za-z]:', name))


def join_categories(paths: Sequence[str], files: Sequence[dict]) -> dict[int, dict]:
    """The files' category records by id, in the order in which ids first appear.

    Raises:
        CapekitError: one id stands for two categories, or for one with other keypoints or links.
    """
    records: dict[int, dict] = {}
    for path, content in zip(paths, files, strict=True):
        for record in content['categories']:
            known = records.setdefault(record['id'], record)
            if known['name'] != record['name']:
                raise CapekitError(f"{path}: category id {record['id']} is '{record['name']}' here and "
                                   f"'{known['name']}' in an earlier file; such files cannot be joined")
            for key in ('keypoints', 'skeleton'):
                if known.get(key) and record.get(key) and known[key] != record[key]:
                    raise CapekitError(f'{path}: {title(record)} has other {key} here than in an earlier file; such '
                                       'files cannot be joined')
    return records


def select_categories(records: dict[int, dict], spec, paths: Sequence[str], findings: Findings) -> dict[int, dict]:
    """The category records that the `categories` setting keeps, in file order."""
    if spec is None:
        return records
    wanted = resolve_categories(spec)
    absent = [id_ for id_ in wanted if id_ not in records]
    if absent and (not isinstance(spec, str) or len(absent) == len(wanted)):
        raise CapekitError(f'categories={spec!r}: no category with id {absent[0]} in {", ".join(paths)}; valid: '
                           f'{list(records)}')
    if absent:
        # A split name is a filter over whatever files are given, but covering only part of a split is worth a message.
        findings.note(f'{len(absent)} of the {len(wanted)} categories of {spec} are not in the annotation '
                      f'files: ids {absent}')
    return {id_: record for id_, record in records.items() if id_ in set(wanted)}


def keypoint_counts(records: dict[int, dict], annotations: Sequence[dict]) -> dict[int, int]:
    """Keypoints per category: as many as it names; if it names none, as many as most of its annotations hold."""
    lengths: dict[int, Counter] = {id_: Counter() for id_ in records}
    for annotation in annotations:
        if isinstance(annotation['keypoints'], list):
            lengths[annotation['category_id']][len(annotation['keypoints']) // 3] += 1
    return {id_: len(record.get('keypoints') or ()) or (lengths[id_].most_common(1) or [(0, 0)])[0][0]
            for id_, record in records.items()}
