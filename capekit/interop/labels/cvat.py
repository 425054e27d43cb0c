"""CVAT's `COCO Keypoints 1.0`: a JSON file, or the zip file of an export."""

import os
import re
import shutil
import tempfile
import zipfile

from capekit.datasets.coco import read_annotation_file
from capekit.errors import CapekitError
from capekit.files import check_unpacked_size, write_json

from .coco import from_content, to_content
from .format import BARE, BOXES, CATEGORY, EMPTY, HIDE, LINKS, SEVERAL, SIZES, Format
from .labelset import LabelSet

BASE = 1  # of `skeleton`, as in COCO's own files


def read_cvat(path: str, *, category: str | int | None = None, subset: str | None = None,
              skeleton_base: int | None = None) -> LabelSet:
    """One skeleton label of an export.

    Args:
        path: the JSON file, or the zip file with `annotations/person_keypoints_<subset>.json`.
        category: name or id of the skeleton label; may be None where there is only one.
        subset: which one of a zip file; may be None where it has only one.
        skeleton_base: 0 or 1, the number of the first keypoint in `skeleton`. None is 1.
    """
    if not zipfile.is_zipfile(path):
        if subset is not None:
            raise CapekitError('it is no zip file, so that subset= (--subset) does nothing here; leave it out')
        content, _ = read_annotation_file(path)
    else:
        content = _from_zip(path, subset)
    return from_content(path, content, category, skeleton_base, usual_base=BASE)


def _from_zip(path: str, subset: str | None) -> dict:
    try:
        with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory() as folder:
            found = {match[1]: name for name in file.namelist()
                     if (match := re.fullmatch(r'annotations/person_keypoints_(.+)\.json', name))}
            if subset is None and len(found) != 1 or subset is not None and subset not in found:
                raise CapekitError(f'the zip file has the subsets {", ".join(found) or "(none)"} of '
                                   'annotations/person_keypoints_<subset>.json; choose one (subset=, --subset)')
            name = found[subset or next(iter(found))]
            extracted = os.path.join(folder, 'annotations.json')
            check_unpacked_size(path, name)
            with file.open(name) as source, open(extracted, 'wb') as target:
                shutil.copyfileobj(source, target)  # piece by piece, and no more than was declared
            try:
                return read_annotation_file(extracted)[0]
            except CapekitError as error:
                raise CapekitError(f'{name}{str(error).removeprefix(extracted)}') from None
    except CapekitError:
        raise
    except Exception as error:  # a damaged file may fail in any way
        raise CapekitError(f'cannot be read as a zip file ({type(error).__name__}: {error})') from None


def write_cvat(path: str, labels: LabelSet) -> None:
    """Write the JSON file, which CVAT imports for a task with these images. Animals without a box get one around their
    keypoints.

    Args:
        path: the file.
        labels: what to write.
    """
    content = to_content(path, labels, BASE, extras=False)
    for annotation in content['annotations']:
        annotation['attributes'] = dict(occluded=False)
    write_json(path, content)


CVAT = Format('cvat', 'CVAT, COCO Keypoints 1.0', read_cvat, write_cvat,
              frozenset({SEVERAL, EMPTY, BARE, HIDE, BOXES, LINKS, SIZES, CATEGORY}))
