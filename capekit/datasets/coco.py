"""COCO keypoint files with many categories -> categories and instances, by the rules of the released CAPE code.

The rules (which annotations count, in which order, how a box is clipped) are the released ones, because the rows of the
test protocol, and with them every published number, depend on them.
"""

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.logging import print_log

from capekit.datasets.splits import resolve_categories, supercategory_of
from capekit.errors import CapekitError


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
    """An annotation that counts, with its clipped box, before its category's keypoint count is known."""

    category_id: int
    keypoints: list
    bbox: np.ndarray
    image_file: str
    image_size: tuple[int, int]
    """Width, height as stated in the file."""
    image_id: int
    annotation_id: int
    ann_file: str


def read_annotation_file(path: str) -> tuple[dict, str]:
    """The parsed COCO keypoint file and the sha256 of its bytes.

    Raises:
        CapekitError: the file is missing, is not JSON, or is not a COCO keypoint file.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        raise CapekitError(f'{path}: cannot read the annotation file ({error.strerror})') from None
    try:
        content = json.loads(data)
    except json.JSONDecodeError as error:
        raise CapekitError(f'{path}: invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}') from None
    except UnicodeDecodeError:
        raise CapekitError(f'{path}: invalid JSON: the file is not UTF-8 text') from None
    for key, needed in (('images', ('id', 'file_name', 'width', 'height')), ('categories', ('id', 'name')),
                        ('annotations', ('id', 'image_id', 'category_id'))):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise CapekitError(f"{path}: not a COCO keypoint file: the list '{key}' is missing")
        for place, record in enumerate(content[key]):
            missing = [name for name in needed if not isinstance(record, dict) or name not in record]
            if missing:
                raise CapekitError(f"{path}: {key}[{place}] has no '{missing[0]}'")
    return content, hashlib.sha256(data).hexdigest()


def clip_box(box: Sequence[float], width: int, height: int) -> np.ndarray | None:
    """(4,) float64 x, y, w, h inside an image of that size, or None where nothing is left.

    The release takes one pixel off each side, even of a box that lies wholly inside.
    """
    x, y, w, h = box
    x1, y1 = max(0, x), max(0, y)
    x2, y2 = min(width - 1, x1 + max(0, w - 1)), min(height - 1, y1 + max(0, h - 1))
    return np.array([x1, y1, x2 - x1, y2 - y1], dtype=np.float64) if x2 > x1 and y2 > y1 else None


def skip_reason(annotation: dict, image: dict) -> str | None:
    """Why the protocol leaves an annotation out, or None where it counts."""
    if annotation.get('iscrowd'):
        return 'crowd'
    if not annotation.get('bbox'):
        return 'no box'
    if annotation.get('area') is not None and annotation['area'] <= 0:
        return 'no area'
    if clip_box(annotation['bbox'], image['width'], image['height']) is None:
        return 'box empty inside the image'
    if not annotation.get('keypoints'):
        return 'no keypoints'
    if not any(annotation['keypoints']) or annotation.get('num_keypoints') == 0:
        return 'no labelled keypoint'
    return None


def join_categories(paths: Sequence[str], files: Sequence[dict]) -> dict[int, dict]:
    """The files' category records by id, in the order in which ids first appear.

    Raises:
        CapekitError: one id stands for two categories.
    """
    records: dict[int, dict] = {}
    for path, content in zip(paths, files, strict=True):
        for record in content['categories']:
            known = records.setdefault(record['id'], record)
            if known['name'] != record['name']:
                raise CapekitError(f"{path}: category id {record['id']} is '{record['name']}' here and "
                                   f"'{known['name']}' in an earlier file; such files cannot be joined")
    return records


def join_instances(paths: Sequence[str], files: Sequence[dict]) -> list[RawInstance]:
    """Every annotation that counts: images in the order of the files' lists, an image's annotations in file order.

    Raises:
        CapekitError: a category id that no file describes, or a box that is not four numbers.
    """
    found, seen = [], set()
    for path, content in zip(paths, files, strict=True):
        described = {record['id'] for record in content['categories']}
        images = {image['id']: image for image in content['images']}
        per_image: dict[int, list] = {image_id: [] for image_id in images}
        orphans = 0
        for annotation in content['annotations']:
            if annotation['category_id'] not in described:
                raise CapekitError(f"{path}: annotation {annotation['id']} has category "
                                   f"{annotation['category_id']!r}, which is not in the file's 'categories'")
            if annotation.get('bbox') and not _four_numbers(annotation['bbox']):
                raise CapekitError(f"{path}: annotation {annotation['id']} has bbox {annotation['bbox']!r}; expected "
                                   '[x, y, width, height]')
            if annotation['image_id'] in per_image:
                per_image[annotation['image_id']].append(annotation)
            else:
                orphans += 1
        if orphans:
            print_log(f"{path}: {orphans} annotations name an image that is not in the file's 'images'; left out",
                      'current', logging.WARNING)
        here = set()
        for image_id, annotations in per_image.items():
            image = images[image_id]
            for annotation in annotations:
                key = (annotation['category_id'], annotation['id'])
                if key in seen or skip_reason(annotation, image):
                    continue
                here.add(key)
                bbox = clip_box(annotation['bbox'], image['width'], image['height'])
                assert bbox is not None  # otherwise there is a reason to skip it
                found.append(RawInstance(
                    category_id=annotation['category_id'], keypoints=annotation['keypoints'],
                    bbox=bbox, image_file=image['file_name'], image_size=(image['width'], image['height']),
                    image_id=image_id, annotation_id=annotation['id'], ann_file=path))
        seen |= here
    return found


def _four_numbers(box) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) and v == v for v in box)


def select_categories(records: dict[int, dict], spec, paths: Sequence[str]) -> dict[int, dict]:
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
        print_log(f'{len(absent)} of the {len(wanted)} categories of {spec} are not in the annotation files: '
                  f'ids {absent}', 'current', logging.WARNING)
    return {id_: record for id_, record in records.items() if id_ in set(wanted)}


def keypoint_counts(records: dict[int, dict], found: Sequence[RawInstance]) -> dict[int, int]:
    """Keypoints per category: as many as it names; if it names none, as many as most of its annotations hold."""
    lengths: dict[int, Counter] = {id_: Counter() for id_ in records}
    for instance in found:
        lengths[instance.category_id][len(instance.keypoints) // 3] += 1
    return {id_: len(record.get('keypoints') or ()) or (lengths[id_].most_common(1) or [(0, 0)])[0][0]
            for id_, record in records.items()}


def link_fault(links, count: int) -> str | None:
    """What is wrong with a category's `skeleton`, given `count` keypoints, or None."""
    if not all(isinstance(link, (list, tuple)) and len(link) == 2 and all(isinstance(end, int) for end in link)
               for link in links):
        return 'links must be pairs of keypoint numbers'
    ends = [end for link in links for end in link]
    if not ends or min(ends) >= 0 and max(ends) < count:
        return None
    if min(ends) >= 1 and max(ends) == count:
        return (f'links look one-based (1 to {count}), expected 0 to {count - 1}: subtract 1 from each, or use the '
                'edition of the files with zero-based skeletons')
    return f'links go from {min(ends)} to {max(ends)}; expected 0 to {count - 1}'


def build_categories(records: dict[int, dict], found: list[RawInstance], paths: Sequence[str]) -> dict[int, Category]:
    counts = keypoint_counts(records, found)
    for instance in found:
        record, count = records[instance.category_id], counts[instance.category_id]
        if len(instance.keypoints) != 3 * count:
            raise CapekitError(f"{instance.ann_file}: annotation {instance.annotation_id} of category "
                               f"'{record['name']}' (id {record['id']}) has {len(instance.keypoints)} keypoint values; "
                               f'expected 3 * {count} = {3 * count}')
    categories = {}
    for id_, record in records.items():
        names = tuple(record.get('keypoints') or ())
        links = record.get('skeleton') or []
        count = counts[id_]
        fault = link_fault(links, count) if count else None
        if fault:
            raise CapekitError(f"{', '.join(paths)}: category '{record['name']}' (id {id_}): {fault}; run "
                               'tools/dataset/audit.py to see every category')
        categories[id_] = Category(
            id=id_, name=record['name'],
            supercategory=supercategory_of(id_, record['name'], record.get('supercategory') or ''),
            num_keypoints=count, keypoint_names=names, links=np.array(links, dtype=np.int64).reshape(-1, 2))
    return categories


def missing_image_files(instances: Sequence[RawInstance], folder: str) -> set:
    """The image files of the instances that do not exist under `folder`."""
    return {file for file in {instance.image_file for instance in instances}
            if not os.path.isfile(os.path.join(folder, file))}


def describe_missing(instances: Sequence[RawInstance], missing: set, names: dict[int, str], folder: str) -> str:
    """One line on missing image files: how many, where, which category misses most, and the first of them."""
    per_category = Counter(instance.category_id for instance in instances if instance.image_file in missing)
    worst, count = per_category.most_common(1)[0]
    first = sorted(missing)[:3]
    files = len({instance.image_file for instance in instances})
    line = (f"{len(missing)} of {files} image files are missing under {folder}, in {len(per_category)} categories, "
            f"most in '{names[worst]}' (id {worst}: {count} instances); first: {', '.join(first)}")
    for other in (os.path.join(folder, 'images'), os.path.dirname(os.path.normpath(folder))):
        if os.path.isfile(os.path.join(other, first[0])):
            return f"{line}; they are under {other}: set `images` to that"
    return line


def check_images(found: list[RawInstance], records: dict[int, dict], folder: str, policy: str) -> list[RawInstance]:
    """The instances whose image exists; missing images are an error, or logged if `policy` is 'skip'."""
    missing = missing_image_files(found, folder)
    if not missing:
        return found
    line = describe_missing(found, missing, {id_: record['name'] for id_, record in records.items()}, folder)
    if policy == 'error':
        raise CapekitError(f"{line}; tools/dataset/audit.py lists every category; missing_images='skip' leaves them "
                           'out')
    lost = Counter(instance.category_id for instance in found if instance.image_file in missing)
    named = ', '.join(f"'{records[id_]['name']}' (id {id_}) {count}" for id_, count in lost.items())
    print_log(f'{line}; instances left out: {named}', 'current', logging.WARNING)
    return [instance for instance in found if instance.image_file not in missing]
