"""The image files of a data set: which are there, and which lie outside its folder."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from capekit.datasets.coco import RawInstance
from capekit.datasets.reader import Reading, read
from capekit.datasets.settings import Findings, ReadSettings


def find_files(names: Iterable[str], folder: str) -> tuple[set, dict]:
    """Which image files do not exist under a folder, and where a link leads out of it.

    Returns:
        tuple: the names of missing files (or of what is no file), and name -> real path of those outside.
    """
    real_folder = os.path.realpath(folder)
    real_parents: dict[str, str] = {}
    missing, outside = set(), {}
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            missing.add(name)
            continue
        parent, last = os.path.split(path)
        if parent not in real_parents:
            real_parents[parent] = os.path.realpath(parent)
        real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_parents[parent], last)
        if os.path.commonpath([real, real_folder]) != real_folder:
            outside[name] = real
    return missing, outside


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


def check_outside(outside: dict, findings: Findings, settings: ReadSettings):
    """Tell of image files that a link leads out of the folder to, unless `outside_images` allows that."""
    if settings.outside_images == 'error':
        for name, real in outside.items():
            findings.problem(f"image file {name} is a link that leads out of the image folder, to {real}; "
                             "outside_images='read' allows that", 'link')


def leave_out(reading: Reading, ann_files: Sequence[str], settings: ReadSettings) -> None:
    """Remove the instances of every image that other annotation files hold an instance of, and announce their number.

    Raises:
        CapekitError: those files cannot be read.
    """
    others = read(ann_files, settings)
    others.findings.raise_problems()
    names = {instance.image_file for instance in others.instances}
    kept = [instance for instance in reading.instances if instance.image_file not in names]
    count = len(reading.instances)
    line = f'{count - len(kept)} of {count} instances left out: their images are in {", ".join(ann_files)}'
    if kept:
        reading.findings.note(line)
    else:
        reading.findings.problem(f'{line}; nothing is left')
    reading.instances = kept


def keep_existing(reading: Reading, folder: str, settings: ReadSettings, policy: str) -> list[RawInstance]:
    """The instances whose image exists; missing images are a problem, or announced if `policy` is 'skip'."""
    found, findings = reading.instances, reading.findings
    missing, outside = find_files(dict.fromkeys(instance.image_file for instance in found), folder)
    check_outside(outside, findings, settings)
    if not missing:
        return found
    names = {id_: category.name for id_, category in reading.categories.items()}
    line = describe_missing(found, missing, names, folder)
    if policy == 'error':
        findings.problem(f"{line}; capekit audit lists every category; missing_images='skip' leaves them out")
        return found
    lost = Counter(instance.category_id for instance in found if instance.image_file in missing)
    named = ', '.join(f"'{names[id_]}' (id {id_}) {count}" for id_, count in lost.items())
    findings.note(f'{line}; instances left out: {named}')
    kept = [instance for instance in found if instance.image_file not in missing]
    if not kept:
        findings.problem(f'{line}; nothing is left')
    return kept
