"""Is a data set fit for a run? Counts per category, and every fault that would stop a run or falsify its results.

Problems should be fixed before a run: missing, unreadable or wrong images, categories too small for an episode, broken
keypoint lists, links out of range. Notes are worth knowing and do no harm.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from tabulate import tabulate

from capekit.datasets.coco import (
    RawInstance,
    describe_missing,
    join_categories,
    join_instances,
    keypoint_counts,
    link_fault,
    missing_image_files,
    read_annotation_file,
    skip_reason,
)
from capekit.datasets.crops import read_image
from capekit.datasets.splits import supercategory_of
from capekit.errors import CapekitError
from capekit.progress import track


@dataclass
class CategoryAudit:
    """Counts of one category. None = not checked."""

    id: int
    name: str
    supercategory: str
    keypoints: int
    links: int
    instances: int
    """Annotations that count."""
    usable: int
    """Instances whose image exists and, if decoded, is sound; equal to `instances` without an image folder."""
    images: int
    missing: int | None = None
    unreadable: int | None = None
    outside: int = 0
    """Labelled keypoints outside their image."""
    enough: bool = True
    """`usable` is enough for an episode."""


@dataclass
class Audit:
    """What `audit` found."""

    files: list
    images: str | None
    shots: int
    queries: int
    categories: list
    skipped: dict
    """Reason -> number of annotations that do not count."""
    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict:
        """JSON-able."""
        return {**asdict(self), 'clean': self.clean}

    def text(self) -> str:
        """A table of the categories, then notes and problems, one line each."""
        def shown(value):
            return '-' if value is None else value
        lines = [[c.id, c.name, c.supercategory, c.keypoints, c.links, c.instances, c.images, shown(c.missing),
                  shown(c.unreadable), c.outside, 'yes' if c.enough else 'NO'] for c in self.categories]
        headers = ['id', 'name', 'super-category', 'K', 'links', 'instances', 'images', 'missing', 'unreadable',
                   'outside', f'{self.shots} + {self.queries}']
        total = (f'{len(self.categories)} categories, {sum(c.instances for c in self.categories)} instances in '
                 f'{len(self.files)} file(s)')
        return '\n'.join([tabulate(lines, headers=headers), '', total, *(f'note: {note}' for note in self.notes),
                          *(f'problem: {problem}' for problem in self.problems),
                          'clean' if self.clean else f'{len(self.problems)} problem(s)'])


def audit(ann_files: Sequence[str], images: str | None = None, shots: int = 1, queries: int = 15,
          decode: bool = False) -> Audit:
    """Check annotation files, joined, and their images.

    Args:
        ann_files: COCO keypoint files in MP-100's format.
        images: folder that `file_name` is relative to; None = images are not checked.
        shots, queries: an episode needs shots + queries instances of one category.
        decode: also read every image, to find truncated files and images whose size differs from the annotation file's.

    Raises:
        CapekitError: a file that cannot be read or joined, or an image folder that does not exist.
    """
    if images is not None and not os.path.isdir(images):
        raise CapekitError(f'{images}: no such image folder')
    if decode and images is None:
        raise CapekitError('decoding needs the image folder: pass --images')
    ann_files = [os.fspath(path) for path in ann_files]
    images = None if images is None else os.fspath(images)
    files = [read_annotation_file(path)[0] for path in ann_files]
    records = join_categories(ann_files, files)
    found = join_instances(ann_files, files)
    counts = keypoint_counts(records, found)
    missing = missing_image_files(found, images) if images is not None else set()
    faults = _decode_all(found, missing, images) if decode and images is not None else {}

    result = Audit(files=ann_files, images=images, shots=shots, queries=queries, categories=[], skipped=_skipped(files))
    for id_, record in records.items():
        mine = [instance for instance in found if instance.category_id == id_]
        files_of = {instance.image_file for instance in mine}
        usable = sum(instance.image_file not in missing and instance.image_file not in faults for instance in mine)
        result.categories.append(CategoryAudit(
            id=id_, name=record['name'],
            supercategory=supercategory_of(id_, record['name'], record.get('supercategory') or ''),
            keypoints=counts[id_], links=len(record.get('skeleton') or ()), instances=len(mine), usable=usable,
            images=len(files_of), missing=len(files_of & missing) if images is not None else None,
            unreadable=sum(file in faults for file in files_of) if decode else None,
            outside=sum(map(_points_outside, mine)), enough=usable >= shots + queries))
    result.problems = _problems(result, records, found, counts, missing, faults)
    result.notes = _notes(result, files)
    return result


def _problems(result: Audit, records: dict, found: list, counts: dict, missing: set, faults: dict) -> list:
    problems = []
    if missing and result.images is not None:
        names = {id_: record['name'] for id_, record in records.items()}
        problems.append(describe_missing(found, missing, names, result.images))
    problems += [f'{file}: {fault}' for file, fault in faults.items()]
    for id_, record in records.items():
        title = f"category '{record['name']}' (id {id_})"
        fault = link_fault(record.get('skeleton') or [], counts[id_]) if counts[id_] else None
        if fault:
            problems.append(f'{title}: {fault}')
        wrong = [instance for instance in found
                 if instance.category_id == id_ and len(instance.keypoints) != 3 * counts[id_]]
        if wrong:
            problems.append(f'{title}: {len(wrong)} annotation(s) without 3 * {counts[id_]} keypoint values, first '
                            f'{wrong[0].annotation_id} in {wrong[0].ann_file} with {len(wrong[0].keypoints)}')
    small = [category for category in result.categories if not category.enough]
    problems += [f"category '{category.name}' (id {category.id}): {category.usable} usable instances; an episode of "
                 f'{result.shots} shot(s) and {result.queries} queries needs {result.shots + result.queries}'
                 for category in small]
    return problems


def _notes(result: Audit, files: list) -> list:
    notes = [f'{number} annotation(s) do not count: {reason}' for reason, number in result.skipped.items()]
    by_name: dict[str, list[CategoryAudit]] = {}
    for category in result.categories:
        plain = ''.join(letter for letter in category.name.casefold() if letter.isalnum())
        by_name.setdefault(plain, []).append(category)
    for same in by_name.values():
        if len(same) > 1:
            named = ', '.join(f"'{category.name}' (id {category.id})" for category in same)
            notes.append(f'categories with the same name, told apart only by id: {named}')
    outside = sum(category.outside for category in result.categories)
    if outside:
        notes.append(f'{outside} labelled keypoint(s) lie outside their image')
    unlinked = [category.name for category in result.categories if not category.links]
    if unlinked:
        notes.append(f'{len(unlinked)} categories have no links, first {", ".join(unlinked[:3])}')
    return notes


def _skipped(files: Sequence[dict]) -> dict:
    """Reason -> number of annotations that the protocol leaves out, including those of unlisted images."""
    reasons = {}
    for content in files:
        images = {image['id']: image for image in content['images']}
        for annotation in content['annotations']:
            image = images.get(annotation['image_id'])
            reason = "image not in 'images'" if image is None else skip_reason(annotation, image)
            reasons[annotation['category_id'], annotation['id']] = reason
    return dict(Counter(reason for reason in reasons.values() if reason))


def _points_outside(instance: RawInstance) -> int:
    """Labelled keypoints outside the image; 0 for a keypoint list of invalid length."""
    if len(instance.keypoints) % 3:
        return 0
    points = np.reshape(instance.keypoints, (-1, 3))
    width, height = instance.image_size
    inside = (points[:, 0] >= 0) & (points[:, 0] <= width) & (points[:, 1] >= 0) & (points[:, 1] <= height)
    return int((~inside & (points[:, 2] > 0)).sum())


def _decode_all(found: Sequence[RawInstance], missing: set, folder: str) -> dict:
    """Image file -> what is wrong with it, for every image that exists and is not sound."""
    sizes = {instance.image_file: instance.image_size for instance in found if instance.image_file not in missing}
    faults = {}
    for file, size in track(sizes.items(), len(sizes), 'decoding'):
        try:
            height, width = read_image(os.path.join(folder, file)).shape[:2]
        except CapekitError as error:
            faults[file] = str(error).split(': ', 1)[-1]
            continue
        if (width, height) != tuple(size):
            faults[file] = (f'{width} x {height} pixels, the annotation file says {size[0]} x {size[1]}: another '
                            'image?')
    return faults
