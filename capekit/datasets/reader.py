"""Annotation files -> categories and instances: the one reading that runs and the audit share.

Images come in the order of the files' lists, an image's annotations in file order, as in the released CAPE code.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from capekit.datasets.annotations import Fault, clip_box, read_box, read_keypoints, skip_reason
from capekit.datasets.coco import (
    Category,
    RawInstance,
    id_fault,
    join_categories,
    keypoint_counts,
    leads_out,
    read_annotation_file,
    select_categories,
    size_fault,
)
from capekit.datasets.doubts import check_plausible, count_once
from capekit.datasets.settings import Findings, ReadSettings
from capekit.datasets.skeleton import BASES, read_links, some, title
from capekit.datasets.splits import supercategory_of
from capekit.errors import CapekitError


@dataclass
class Reading:
    """What annotation files say, joined."""

    categories: dict[int, Category] = field(default_factory=dict)
    instances: list[RawInstance] = field(default_factory=list)
    """Those that count and have no fault."""
    unused: set[int] = field(default_factory=set)
    """Categories without an annotation; none of `categories` unless they were asked for by id."""
    digests: list[str] = field(default_factory=list)
    """sha256 of each file."""
    skipped: dict[tuple, tuple] = field(default_factory=dict)
    """(category id, annotation id) -> why it does not count, and its file."""
    faulty: Counter = field(default_factory=Counter)
    """Annotations with a fault per category id."""
    miscounted: list[str] = field(default_factory=list)
    """Annotations whose `num_keypoints` is not the number of labelled keypoints."""
    findings: Findings = field(default_factory=Findings)


def read(paths: Sequence[str], settings: ReadSettings, categories=None) -> Reading:
    """Read and join annotation files.

    Args:
        paths: COCO keypoint files.
        settings: how to read them.
        categories: None, a list of category ids or a split's name, as in `MP100Dataset`.

    Raises:
        CapekitError: a file that cannot be read, broken image or category records, files that cannot be joined, unknown
            categories. Everything else is in `findings` of what is returned.
    """
    reading = Reading()
    findings = reading.findings
    read_files = [read_annotation_file(path, findings) for path in paths]
    files, reading.digests = [content for content, _ in read_files], [digest for _, digest in read_files]
    records = select_categories(join_categories(paths, files), categories, paths, findings)
    used = {annotation['category_id'] for content in files for annotation in content['annotations']
            if isinstance(annotation['category_id'], int)}
    reading.unused = records.keys() - used
    if reading.unused and (categories is None or isinstance(categories, str)):
        names = [title(record) for id_, record in records.items() if id_ in reading.unused]
        findings.note(f'{len(names)} categories without any annotation are left out: {some(names)}')
        records = {id_: record for id_, record in records.items() if id_ in used}

    counting = [found for path, content in zip(paths, files, strict=True)
                for found in _counting(path, content, records, settings, reading)]
    counts = keypoint_counts(records, [annotation for _, annotation, *_ in counting])
    found = [_instance(*parts, records=records, counts=counts, settings=settings, reading=reading)
             for parts in counting]
    instances = count_once([instance for instance in found if instance is not None], findings)
    per_category: dict[int, list] = {id_: [] for id_ in records}
    for instance in instances:
        per_category[instance.category_id].append(instance)
    for id_, mine in per_category.items():
        check_plausible(title(records[id_]), mine, settings, findings)
    origins = {record['id']: (path, _stated_base(content)) for path, content in
               reversed(list(zip(paths, files, strict=True))) for record in content['categories']}
    links = read_links(records, counts, origins, settings.skeleton_base, findings)
    reading.instances = instances
    reading.categories = {id_: Category(
        id=id_, name=record['name'], supercategory=supercategory_of(id_, record['name'], _text(record)),
        num_keypoints=counts[id_], keypoint_names=tuple(record.get('keypoints') or ()), links=links[id_])
        for id_, record in records.items()}
    if reading.miscounted:
        findings.remark(f'{len(reading.miscounted)} annotation(s) state another num_keypoints than they have '
                        f'labelled, which counts; first: {reading.miscounted[0]}')
    _tell_skipped(reading, sum(len(content['annotations']) for content in files))
    if not instances and not findings.problems:
        reasons = Counter(reason for reason, _ in reading.skipped.values())
        findings.problem(f"{', '.join(paths)}: no usable instance"
                         + (f' ({"; ".join(f"{reason}: {number}" for reason, number in reasons.items())})' if reasons
                            else ': no annotation' + ('' if categories is None else f' of categories={categories!r}')))
    return reading


def _stated_base(content: dict) -> int | None:
    """The base of the skeletons that a file states, as those do that capekit writes."""
    info = content.get('info')
    base = info.get('skeleton_base') if isinstance(info, dict) else None
    return base if type(base) is int and base in BASES else None


def _text(record: dict) -> str:
    own = record.get('supercategory')
    return own if isinstance(own, str) else ''


def _counting(path: str, content: dict, records: dict, settings: ReadSettings, reading: Reading) -> list[tuple]:
    """(file, annotation, box, image) of what counts as far as its box goes, in the order of the images."""
    for place, image in enumerate(content['images']):
        if fault := size_fault(image):
            raise CapekitError(f'{path}: images[{place}] {fault}')
    described = {record['id'] for record in content['categories']}
    images = {image['id']: image for image in content['images']}
    per_image: dict[int, list] = {image_id: [] for image_id in images}
    orphans = []
    for place, annotation in enumerate(content['annotations']):
        category_id = annotation['category_id']
        if type(category_id) is int and category_id in described and category_id not in records:
            continue
        try:
            faults = [id_fault(annotation, key) for key in ('id', 'image_id', 'category_id')]
            if any(faults):
                reading.findings.problem(f'{path}: annotations[{place}] {next(filter(None, faults))}', path, 'id')
            elif category_id not in described:
                raise Fault('category', f"has category {category_id}, which is not in the file's 'categories': "
                                        f'{sorted(described)[:20]}')
            elif annotation['image_id'] not in images:
                orphans.append(annotation)
            else:
                image = images[annotation['image_id']]
                box = read_box(annotation, settings)
                reason = skip_reason(annotation, box, image)
                if reason:
                    reading.skipped[category_id, annotation['id']] = reason, path
                else:
                    per_image[annotation['image_id']].append((path, annotation, box, image))
        except Fault as fault:
            _tell(reading, path, annotation, fault)
    for annotation in orphans:
        reading.skipped[annotation['category_id'], annotation['id']] = "image not in 'images'", path
    if settings.outside_images == 'error':
        for image in content['images']:
            if leads_out(image['file_name']):
                reading.findings.problem(
                    f"{path}: image {image['id']} has the file_name {image['file_name']}, which leads out of the image "
                    "folder; outside_images='read' allows that", path, 'outside')
    return [item for items in per_image.values() for item in items]


def _instance(path: str, annotation: dict, box: list, image: dict, *, records: dict, counts: dict,
              settings: ReadSettings, reading: Reading) -> RawInstance | None:
    """The instance, or None where no keypoint is labelled or something is wrong with them."""
    category_id = annotation['category_id']
    try:
        keypoints = read_keypoints(annotation['keypoints'], counts[category_id], settings)
    except Fault as fault:
        _tell(reading, path, annotation, fault, f', in {title(records[category_id])}')
        return None
    labelled, stated = int((keypoints[:, 2] > 0).sum()), annotation.get('num_keypoints')
    reason = ('no labelled keypoint' if not labelled else
              'num_keypoints is 0 although keypoints are labelled' if stated == 0 else None)
    if reason:
        reading.skipped[category_id, annotation['id']] = reason, path
        return None
    if stated not in (None, labelled):
        reading.miscounted.append(f'{path}: annotation {annotation["id"]}')
    bbox = clip_box(box, image['width'], image['height'])
    assert bbox is not None  # otherwise there is a reason to skip it
    return RawInstance(category_id=category_id, keypoints=keypoints, box=box, bbox=bbox,
                       image_file=image['file_name'], image_size=(image['width'], image['height']),
                       image_id=image['id'], annotation_id=annotation['id'], ann_file=path)


def _tell(reading: Reading, path: str, annotation: dict, fault: Fault, of: str = ''):
    reading.faulty[annotation['category_id']] += 1
    reading.findings.problem(f'{path}: annotation {annotation["id"]} {fault}{of}', path, fault.kind)


def _tell_skipped(reading: Reading, total: int):
    """Announce how many annotations do not count, and why."""
    reasons: dict[str, list] = {}
    for (_, annotation_id), (reason, path) in reading.skipped.items():
        reasons.setdefault(reason, []).append((annotation_id, path))
    for reason, members in reasons.items():
        annotation_id, path = members[0]
        reading.findings.note(f'{len(members)} annotation(s) do not count: {reason} (of {total}; first: '
                              f'{annotation_id} in {os.path.basename(path)})')
