"""From the folders of MP-100's source data sets to the layout that its annotation files expect.

An annotation file names an image `<category>/<path or name in the source>`. The image is looked for by its name
anywhere below the source's folder, so that neither the layout of a download nor the merging of classes matters
(CUB-200's species to MP-100's birds). It counts only if its size is the one stated. CarFusion's images were renamed:
they are found by the boxes on them.
"""

import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from capekit.datasets.coco import read_annotation_file
from capekit.datasets.image_size import image_size
from capekit.datasets.matching import BoxIndex
from capekit.datasets.mp100_sources import Source
from capekit.errors import CapekitError
from capekit.progress import track

# Of files with the same name and size in several folders, the one whose folder holds nearly all images of the category
# that are there only once.
ENOUGH_VOTES, NEARLY_ALL = 5, 0.95


@dataclass
class Wanted:
    """An image that the annotation files name."""

    file: str
    size: tuple[int, int]
    category: int
    annotations: list[dict] = field(default_factory=list)


@dataclass
class Result:
    """What became of the images of one source: numbers, and file -> reason for those that are not there."""

    kept: int = 0
    placed: int = 0
    by_folder: int = 0
    """Placed images that were chosen by the folder of the others."""
    problems: dict[str, str] = field(default_factory=dict)


def wanted_images(ann_files: Sequence[str | os.PathLike], source: Source) -> list[Wanted]:
    """The images of a source that annotation files name.

    Raises:
        CapekitError: a broken file, a name that leads out of the image folder, or an image with two sizes.
    """
    found: dict[str, Wanted] = {}
    for path in [os.fspath(path) for path in ann_files]:
        content, _ = read_annotation_file(path)
        images = {image['id']: image for image in content['images']}
        for annotation in content['annotations']:
            if annotation['category_id'] not in source.categories or annotation['image_id'] not in images:
                continue
            image = images[annotation['image_id']]
            name = PurePosixPath(image['file_name'])
            if name.is_absolute() or '..' in name.parts:
                raise CapekitError(f"{path}: file name {image['file_name']!r} leads out of the image folder")
            size = (image['width'], image['height'])
            wanted = found.setdefault(str(name), Wanted(str(name), size, annotation['category_id']))
            if wanted.size != size:
                raise CapekitError(f'{path}: {name} is {size[0]} x {size[1]} here and {wanted.size[0]} x '
                                   f'{wanted.size[1]} in another record')
            if annotation['id'] not in {known['id'] for known in wanted.annotations}:
                wanted.annotations.append(annotation)
    return list(found.values())


def prepare(wanted: Sequence[Wanted], folder: str | os.PathLike, images: str | os.PathLike, copy: bool = False,
            labels: Sequence[str | os.PathLike] = ()) -> Result:
    """Put the images of one source below the image folder. What is there already stays, so a stopped run goes on.

    Args:
        wanted: from `wanted_images`.
        folder: of the source data set, as it was downloaded and unpacked.
        images: the image folder to fill.
        copy: copy the files instead of linking to them.
        labels: COCO keypoint files of the source; if given, images are found by the boxes on them, not by their names.

    Raises:
        CapekitError: the folder is missing, or a file cannot be written.
    """
    if not os.path.isdir(folder):
        raise CapekitError(f'{folder}: no such folder')
    result, left = Result(), []
    for image in wanted:
        target = Path(images, image.file)
        if not target.exists():
            left.append(image)
        elif fault := _size_fault(target, image.size):
            result.problems[image.file] = f'is there already and {fault}; remove it to have it replaced'
        else:
            result.kept += 1
    if not left:
        return result
    index = _index(folder)
    boxes = BoxIndex(labels) if labels else None
    open_: dict[str, list[Path]] = {}
    chosen: dict[str, Path] = {}
    for image in track(left, len(left), 'looking'):
        names = [image.file] if boxes is None else boxes.files(image.annotations)
        candidates = [path for name in names for path in _closest(name, index)]
        if not candidates:
            result.problems[image.file] = ('no image has these boxes' if boxes is not None and not names else
                                           f'not below {folder}' + ('' if boxes is None else f': {names[0]}'))
            continue
        fitting = [path for path in candidates if not _size_fault(path, image.size)]
        if not fitting:
            result.problems[image.file] = f'{candidates[0]} {_size_fault(candidates[0], image.size)}'
        elif len(_different(fitting)) > 1:
            open_[image.file] = _different(fitting)
        else:
            chosen[image.file] = fitting[0]
    votes: dict[int, Counter] = defaultdict(Counter)
    for image in left:
        if image.file in chosen:
            votes[image.category][chosen[image.file].parent] += 1
    for image in left:
        if image.file in open_:
            path = _by_folder(open_[image.file], votes[image.category])
            if path is None:
                result.problems[image.file] = ('may be ' + ' or '.join(map(str, open_[image.file]))
                                               + '; give the folder of one of them')
            else:
                chosen[image.file] = path
                result.by_folder += 1
    for image in left:
        if image.file in chosen:
            _place(chosen[image.file], Path(images, image.file), copy)
            result.placed += 1
    return result


def _index(folder: str | os.PathLike) -> dict[str, list[Path]]:
    """File name -> the paths below the folder that have it."""
    index: dict[str, list[Path]] = defaultdict(list)
    for parent, folders, names in os.walk(os.fspath(folder)):
        folders.sort()
        for name in sorted(names):
            index[name].append(Path(parent, name))
    return index


def _closest(name: str, index: dict[str, list[Path]]) -> list[Path]:
    """The files of that name whose folders agree longest with those in `name`."""
    parts = PurePosixPath(name).parts
    found = index.get(parts[-1], [])
    agreement = [_agreement(path.parts, parts) for path in found]
    return [path for path, length in zip(found, agreement, strict=True) if length == max(agreement)]


def _agreement(a: Sequence[str], b: Sequence[str]) -> int:
    length = 0
    while length < min(len(a), len(b)) and a[-1 - length] == b[-1 - length]:
        length += 1
    return length


def _size_fault(path: Path, size: tuple[int, int]) -> str | None:
    try:
        found = image_size(path)
    except CapekitError as error:
        return str(error).removeprefix(f'{path}: ')
    return None if found == size else (f'has {found[0]} x {found[1]} pixels; the annotation file says {size[0]} x '
                                       f'{size[1]}')


def _different(paths: Iterable[Path]) -> list[Path]:
    """One path for every content."""
    paths = list(paths)
    if len(paths) == 1:
        return paths
    return list({hashlib.sha256(path.read_bytes()).digest(): path for path in reversed(paths)}.values())


def _by_folder(paths: Sequence[Path], votes: Counter) -> Path | None:
    best = max(paths, key=lambda path: votes[path.parent])
    count = votes[best.parent]
    return best if count >= ENOUGH_VOTES and count >= NEARLY_ALL * votes.total() else None


def _place(path: Path, target: Path, copy: bool) -> None:
    """Link or copy a file, whole or not at all."""
    beside = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy:
            shutil.copyfile(path, beside)
        else:
            beside.symlink_to(path.resolve())
        os.replace(beside, target)
    except OSError as error:
        raise CapekitError(f'{target}: cannot be written ({error.strerror or error})') from None
    finally:
        beside.unlink(missing_ok=True)
