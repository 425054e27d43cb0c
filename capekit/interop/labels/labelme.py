"""labelme: one JSON file per image. An animal is a `group_id`; a rectangle of that group is its box."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from capekit.errors import CapekitError
from capekit.files import read_json, write_json

from .format import BOXES, CATEGORY, EMPTY, HIDE, SEVERAL, SIZES, Format, announce, number
from .grouping import CATEGORY_KEY, Marks
from .labelset import HIDDEN, VISIBLE, LabelledImage, LabelSet
from .sizes import needed_size

VERSION = '7.9.1'


def read_labelme(path: str, *, keypoints: list[str] | None = None) -> LabelSet:
    """A file of labelme, or every one in a folder and the folders in it. Points without a group are one animal.

    Args:
        path: the file or folder. Image names are relative to the folder.
        keypoints: their names, in order; None is the order of their first appearance.
    """
    root = Path(path)
    files = sorted(root.rglob('*.json')) if root.is_dir() else [root]
    folder = root if root.is_dir() else root.parent
    if not files:
        raise CapekitError('no .json file in this folder')
    marks, others = Marks(keypoints), 0
    for file in files:
        content = read_json(str(file))
        if not isinstance(content, dict) or not isinstance(content.get('shapes'), list) \
                or not isinstance(content.get('imagePath'), str):
            raise CapekitError(f"{file}: not a file of labelme, which has 'shapes' and 'imagePath'")
        image = marks.add_image(_image(content, file, folder))
        marks.stated.append(content.get(CATEGORY_KEY))
        for place, shape in enumerate(content['shapes']):
            where = f'{file}: shapes[{place}]'
            kind, corners, group = _shape(shape, where)
            if kind == 'point':
                hidden = (shape.get('flags') or {}).get('hidden', False)
                image.point(group, shape['label'], corners[0], HIDDEN if hidden else VISIBLE, where)
            elif kind == 'rectangle':
                image.box(group, np.concatenate([corners.min(0), np.ptp(corners, axis=0)]), where)
                marks.boxed.append(shape['label'])
            else:
                others += 1
    if others:
        announce(f'{path}: {others} shapes that are neither points nor rectangles are left out')
    return marks.labels(path)


def _image(content: dict, file: Path, folder: Path) -> LabelledImage:
    beside = file.parent / content['imagePath'].replace('\\', '/')
    width, height = content.get('imageWidth'), content.get('imageHeight')
    return LabelledImage(Path(os.path.relpath(beside, folder)).as_posix(),
                         (width, height) if width and height else None)


def _shape(shape: Any, where: str) -> tuple[str, np.ndarray, Any]:
    """Its type, its (N, 2) points and its group."""
    if not isinstance(shape, dict) or not {'label', 'points', 'shape_type'} <= shape.keys():
        raise CapekitError(f"{where} has not all of 'label', 'points', 'shape_type'")
    try:
        points = np.array([[number(value, where) for value in point] for point in shape['points']]).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise CapekitError(str(error) if isinstance(error, CapekitError) else f'{where} has points that are not pairs'
                           ) from None
    expected = {'point': 1, 'rectangle': 2}.get(shape['shape_type'])
    if expected is not None and len(points) != expected:
        raise CapekitError(f"{where} is a {shape['shape_type']} with {len(points)} points; expected {expected}")
    return shape['shape_type'], points, shape.get('group_id')


def labelme_files(path: str, labels: LabelSet) -> list[str]:
    """The file of each image in the folder `path`.

    Raises:
        CapekitError: two images would have the same file, or one outside the folder.
    """
    owners: dict[str, LabelledImage] = {}
    for image in labels.images:
        name = PurePosixPath(image.file)
        if name.is_absolute() or '..' in name.parts:
            raise CapekitError(f'{path}: {image.file} is not inside the folder of the images')
        target = str(Path(path) / name.with_suffix('.json'))
        if target in owners:
            raise CapekitError(f'{target}: would be the file of both {owners[target].file} and {image.file}')
        owners[target] = image
    return list(owners)


def write_labelme(path: str, labels: LabelSet, *, images: str | None = None) -> None:
    """Write `<image>.json` in a folder for every image, each file whole.

    Args:
        path: the folder; that of the images, where labelme looks for them.
        labels: what to write.
        images: the folder of the images, if it is another one.
    """
    sizes = [needed_size(image) for image in labels.images]
    for target, image, (width, height) in zip(labelme_files(path, labels), labels.images, sizes, strict=True):
        place = os.path.join(path if images is None else images, image.file)
        write_json(target, dict(
            version=VERSION, flags={}, shapes=_shapes(image, labels),
            imagePath=Path(os.path.relpath(place, os.path.dirname(target))).as_posix(), imageData=None,
            imageHeight=height, imageWidth=width) | {CATEGORY_KEY: labels.category})


def _shapes(image: LabelledImage, labels: LabelSet) -> list[dict]:
    shapes = []

    def add(label: str, points: list, group: int, kind: str, flags: dict) -> None:
        shapes.append(dict(label=label, points=points, group_id=group, shape_type=kind, flags=flags, description='',
                           mask=None))

    for group, animal in enumerate(image.animals):
        if animal.box is not None:
            corner = animal.box[:2]
            add(labels.category, [corner.tolist(), (corner + animal.box[2:]).tolist()], group, 'rectangle', {})
        for place in np.flatnonzero(animal.labelled):
            add(labels.keypoints[place], [animal.points[place].tolist()], group, 'point',
                {'hidden': True} if animal.visibility[place] == HIDDEN else {})
    return shapes


LABELME = Format('labelme', 'labelme JSON', read_labelme, write_labelme,
                 frozenset({SEVERAL, EMPTY, HIDE, BOXES, SIZES, CATEGORY}), labelme_files)
