"""Is a data set fit for a run? Counts per category, and every fault that would stop a run or falsify its results.

Problems should be fixed before a run: missing, unreadable or wrong images, categories too small for an episode, and all
that the reader, which is the runs' own, refuses. Notes are worth knowing and do no harm; a run announces those that say
how the files are read.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tabulate import tabulate

from capekit.datasets.coco import RawInstance
from capekit.datasets.folder import check_outside, describe_missing, find_files
from capekit.datasets.images import check_header, read_image
from capekit.datasets.reader import Reading, read
from capekit.datasets.settings import Findings, ReadSettings
from capekit.datasets.skeleton import title
from capekit.errors import CapekitError, printable
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
        """Whether nothing needs fixing."""
        return not self.problems

    def to_dict(self) -> dict:
        """JSON-able."""
        return {**asdict(self), 'clean': self.clean}

    def text(self) -> str:
        """A table of the categories, then notes and problems, one line each."""
        def shown(value):
            return '-' if value is None else value
        lines = [[c.id, c.name, c.supercategory, c.keypoints, c.links, c.instances, c.images,
                  shown(c.missing), shown(c.unreadable), c.outside, 'yes' if c.enough else 'NO']
                 for c in self.categories]
        headers = ['id', 'name', 'super-category', 'K', 'links', 'instances', 'images', 'missing', 'unreadable',
                   'outside', f'{self.shots} + {self.queries}']
        total = (f'{len(self.categories)} categories, {sum(c.instances for c in self.categories)} instances in '
                 f'{len(self.files)} file(s)')
        return '\n'.join([tabulate(lines, headers=headers), '', total,
                          *(f'note: {printable(note)}' for note in self.notes),
                          *(f'problem: {printable(problem)}' for problem in self.problems),
                          'clean' if self.clean else f'{len(self.problems)} problem(s)'])


def audit(ann_files: Sequence[str], images: str | None = None, shots: int = 1, queries: int = 15,
          decode: bool = False, settings: ReadSettings | None = None, categories=None) -> Audit:
    """Check annotation files, joined, and their images, with the reader of `MP100Dataset`.

    Args:
        ann_files: COCO keypoint files in MP-100's format.
        images: folder that `file_name` is relative to; None = images are not checked. The header of each image is read:
            its size and EXIF orientation.
        shots, queries: an episode needs shots + queries instances of one category.
        decode: also decode every image, to find damaged ones.
        settings: of the reading, as in the run; None = the default ones.
        categories: as in `MP100Dataset`.

    Raises:
        CapekitError: a file that cannot be read or joined, or an image folder that does not exist.
    """
    if images is not None and not os.path.isdir(images):
        raise CapekitError(f'{images}: no such image folder')
    if decode and images is None:
        raise CapekitError('decoding needs the image folder: pass --images')
    ann_files = [os.fspath(path) for path in ann_files]
    images = None if images is None else os.fspath(images)
    settings = settings or ReadSettings()
    reading = read(ann_files, settings, categories)
    found, findings = reading.instances, reading.findings
    missing: set = set()
    faults: dict = {}
    if images is not None:
        missing, outside = find_files(dict.fromkeys(instance.image_file for instance in found), images)
        check_outside(outside, findings, settings)
        faults = _image_faults(found, missing, images, decode, settings, findings)

    result = Audit(files=ann_files, images=images, shots=shots, queries=queries, categories=[],
                   skipped=dict(Counter(reason for reason, _ in reading.skipped.values())))
    for id_, category in reading.categories.items():
        mine = [instance for instance in found if instance.category_id == id_]
        files_of = {instance.image_file for instance in mine}
        usable = sum(instance.image_file not in missing and instance.image_file not in faults for instance in mine)
        result.categories.append(CategoryAudit(
            id=id_, name=category.name, supercategory=category.supercategory, keypoints=category.num_keypoints,
            links=len(category.links), instances=len(mine), usable=usable,
            images=len(files_of), missing=len(files_of & missing) if images is not None else None,
            unreadable=sum(file in faults for file in files_of) if decode else None,
            outside=sum(map(_points_outside, mine)), enough=usable >= shots + queries))
    result.problems = _problems(result, reading, missing, faults)
    result.notes = [*findings.notes, *findings.remarks, *_notes(result, found)]
    return result


def _problems(result: Audit, reading: Reading, missing: set, faults: dict) -> list:
    problems = []
    if missing and result.images is not None:
        names = {id_: category.name for id_, category in reading.categories.items()}
        problems.append(describe_missing(reading.instances, missing, names, result.images))
    problems += [f'{file}: {fault}' for file, fault in faults.items()]
    problems += reading.findings.problems
    needed = result.shots + result.queries
    problems += [f'{title(asdict(category))}: {category.usable} usable instances; an episode of {result.shots} shot(s) '
                 f'and {result.queries} queries needs {needed}' for category in result.categories
                 if category.usable + reading.faulty[category.id] < needed]
    return problems


def _notes(result: Audit, found: Sequence[RawInstance]) -> list:
    notes = []
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
    leaving = [instance for instance in found if _leaves(instance)]
    if leaving:
        notes.append(f'{len(leaving)} box(es) leave their image and are clipped, first: {leaving[0]}')
    unlinked = [category.name for category in result.categories if not category.links]
    if unlinked:
        notes.append(f'{len(unlinked)} categories have no links, first {", ".join(unlinked[:3])}')
    return notes


def _points_outside(instance: RawInstance) -> int:
    """Labelled keypoints outside the image."""
    points = instance.labelled
    return int(((points < 0) | (points > instance.image_size)).any(1).sum())


def _leaves(instance: RawInstance) -> bool:
    x, y, w, h = instance.box
    width, height = instance.image_size
    return min(x, y) < -1 or x + w > width + 1 or y + h > height + 1


def _image_faults(found: Sequence[RawInstance], missing: set, folder: str, decode: bool, settings: ReadSettings,
                  findings: Findings) -> dict:
    """Image file -> what is wrong with it, for every image that exists and is not sound.

    Two size statements for one file cannot both be right: the first is compared.
    """
    sizes: dict[str, tuple] = {}
    for instance in found:
        if instance.image_file not in missing:
            sizes.setdefault(instance.image_file, instance.image_size)
    faults, oriented = {}, []
    for file, size in track(sizes.items(), len(sizes), 'decoding' if decode else 'reading headers'):
        path = os.path.join(folder, file)
        try:
            header = check_header(path, settings, size)
            if header.orientation > 1:
                oriented.append(f'{file} ({header.orientation})')
            if decode:
                read_image(path, settings, size)
        except CapekitError as error:
            faults[file] = str(error).split(': ', 1)[-1]
    if oriented:
        shown = 'as a viewer shows them' if settings.orientation == 'viewer' else 'as they are stored'
        findings.note(f'{len(oriented)} image(s) have an EXIF orientation and are read {shown}; look at them '
                      f'with their labels: {", ".join(oriented)}')
    return faults
