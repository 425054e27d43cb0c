"""COCO keypoint JSON."""

from collections.abc import Iterable

import numpy as np

from capekit.datasets.coco import read_annotation_file
from capekit.errors import CapekitError
from capekit.files import write_json

from .format import PARTS, Format, announce, number
from .labelset import ABSENT, Animal, LabelledImage, LabelSet
from .sizes import box_around, needed_size


def read_coco(path: str, *, category: str | int | None = None, skeleton_base: int | None = None) -> LabelSet:
    """One category of a COCO keypoint file.

    Args:
        path: the file.
        category: its name or id; may be None where the file has only one.
        skeleton_base: 0 or 1, the number of the first keypoint in `skeleton`. None is what the file's `info` says, as
            in those that capekit writes, else what fits, and 0 where both do; both are announced.
    """
    content, _ = read_annotation_file(path)
    return from_content(path, content, category, skeleton_base, usual_base=0)


def from_content(path: str, content: dict, category: str | int | None, skeleton_base: int | None,
                 usual_base: int) -> LabelSet:
    """The labels of one category of a parsed file; `usual_base` is the base of `skeleton` in such files."""
    record = _category(content['categories'], category)
    annotations = [annotation for annotation in content['annotations'] if annotation['category_id'] == record['id']]
    kept = [annotation for annotation in annotations
            if not annotation.get('iscrowd') and any(annotation.get('keypoints') or ())]
    if len(kept) < len(annotations):
        announce(f'{path}: {len(annotations) - len(kept)} crowds and annotations without keypoints are left out')
    names = _keypoint_names(path, record, kept)
    links = _links(path, content, record, len(names), skeleton_base, usual_base)
    images = {image['id']: LabelledImage(image['file_name'], _size(image), frame=image.get('frame'))
              for image in content['images']}
    stray = 0
    for annotation in kept:
        animal = _animal(annotation, len(names))
        stray += animal[1]
        if annotation['image_id'] not in images:
            raise CapekitError(f"annotation {annotation['id']} is of image {annotation['image_id']!r}, which is not in "
                               "the file's 'images'")
        images[annotation['image_id']].animals.append(animal[0])
    if stray:
        announce(f'{path}: {stray} keypoints have coordinates and v = 0; read as not labelled')
    chosen = list(images.values())
    if len(content['categories']) > 1:
        # Whether the other categories' images show none of this one, the file does not say.
        chosen = [image for image in chosen if image.animals]
    return LabelSet(chosen, names, links, record['name'])


def _category(records: list[dict], wanted: str | int | None) -> dict:
    found = records if wanted is None else [record for record in records
                                            if wanted == record['name'] or str(wanted) == str(record['id'])]
    if len(found) == 1:
        return found[0]
    choices = ', '.join(f"{record['name']!r} (id {record['id']})" for record in records)
    raise CapekitError((f'no category {wanted!r}' if not found else 'the file has several categories' if wanted is None
                        else f'{len(found)} categories are called {wanted!r}; choose by id')
                       + f' (category=, --category); valid: {choices}')


def _keypoint_names(path: str, record: dict, annotations: Iterable[dict]) -> list[str]:
    names = record.get('keypoints') or []
    if not names:
        count = max((len(annotation['keypoints']) // 3 for annotation in annotations), default=0)
        names = [f'keypoint_{place}' for place in range(count)]
        announce(f"{path}: category '{record['name']}' has no keypoint names; they become keypoint_0, keypoint_1, ...")
    if not all(isinstance(name, str) for name in names):
        raise CapekitError(f"category '{record['name']}': 'keypoints' must be names, and are {names}")
    return names


def _links(path: str, content: dict, record: dict, count: int, base: int | None, usual_base: int) -> np.ndarray:
    """(E, 2) zero-based."""
    links = record.get('skeleton') or []
    where = f"the skeleton of '{record['name']}'"
    if not all(isinstance(link, (list, tuple)) and len(link) == 2 and all(type(end) is int for end in link)
               for link in links):
        raise CapekitError(f'{where} has links that are not pairs of keypoint numbers')
    pairs = np.array(links, dtype=np.int64).reshape(-1, 2)
    fitting = [start for start in (0, 1) if not links or start <= pairs.min() and pairs.max() < count + start]
    if base is None:
        base = content['info'].get('skeleton_base') if isinstance(content.get('info'), dict) else None
    if base is None:
        base = fitting[0] if len(fitting) == 1 else usual_base
        if base != usual_base:
            announce(f'{path}: {where} counts from {base}, and is read so')
        if links and len(fitting) == 2:
            announce(f'{path}: {where} may count from 0 or from 1; taken from {base}, which is usual for this format '
                     '(skeleton_base=, --skeleton-base)')
    if base not in (0, 1):
        raise CapekitError(f'skeleton_base is {base!r}; valid: 0, 1')
    if base not in fitting:
        raise CapekitError(f'{where} goes from {pairs.min()} to {pairs.max()}, which does not count {count} keypoints '
                           f'from {base} (skeleton_base=, --skeleton-base)')
    return pairs - base


def _size(image: dict) -> tuple[int, int] | None:
    width, height = image['width'], image['height']
    return (width, height) if width and height else None


def _animal(annotation: dict, count: int) -> tuple[Animal, int]:
    """The animal, and how many keypoints have coordinates although v is 0."""
    where = f"annotation {annotation['id']}"
    values = annotation['keypoints']
    if not isinstance(values, list) or len(values) != 3 * count:
        raise CapekitError(f'{where} has {len(values)} keypoint values; expected 3 * {count} = {3 * count}')
    triples = np.array([number(value, where) for value in values]).reshape(-1, 3)
    points, visibility = triples[:, :2].copy(), triples[:, 2]
    if not np.isin(visibility, (0, 1, 2)).all():
        raise CapekitError(f'{where} has v = {visibility.tolist()}; valid: 0, 1, 2')
    absent = visibility == ABSENT
    stray = int((absent & points.any(axis=1)).sum())
    points[absent] = np.nan
    review = annotation.get('review') or {}
    box = annotation.get('bbox') or None
    if box is not None and (not isinstance(box, list) or len(box) != 4):
        raise CapekitError(f'{where} has bbox {box!r}; expected [x, y, width, height]')
    try:
        return Animal(
            points, visibility.astype(np.int64), _numbers(annotation, 'keypoint_scores', where),
            _numbers(annotation, 'keypoint_errors', where),
            None if box is None else np.array([number(value, where) for value in box]), annotation.get('score'),
            annotation.get('animal'), review.get('status'), review.get('rank')), stray
    except CapekitError as error:
        raise CapekitError(f'{where}: {error}') from None


def _numbers(annotation: dict, key: str, where: str) -> np.ndarray | None:
    values = annotation.get(key)
    return None if values is None else np.array([number(value, f'{where}, {key}') for value in values])


def write_coco(path: str, labels: LabelSet, *, skeleton_base: int = 0) -> None:
    """Write the labels with one category.

    Animals without a box get one around their keypoints (`box_around`), because readers of COCO files need it.
    Beside COCO's keys: `keypoint_scores`, `keypoint_errors` and `score`; `animal`, its name; `review` with `status` and
    `rank`; an image's `frame`.

    Args:
        path: the file.
        labels: what to write.
        skeleton_base: 0 or 1, the number of the first keypoint in `skeleton`. capekit needs 0, COCO's own files have 1.
    """
    if skeleton_base not in (0, 1):
        raise CapekitError(f'skeleton_base is {skeleton_base!r}; valid: 0, 1')
    write_json(path, to_content(path, labels, skeleton_base))


def to_content(path: str, labels: LabelSet, skeleton_base: int, extras: bool = True) -> dict:
    """The file's content; `extras` are the keys that COCO does not have."""
    made = 0
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, image in enumerate(labels.images, 1):
        width, height = needed_size(image)
        images.append(dict(id=image_id, file_name=image.file, width=width, height=height)
                      | ({} if image.frame is None else dict(frame=image.frame)))
        for animal in image.animals:
            made += animal.box is None
            box = box_around(animal, (width, height)) if animal.box is None else animal.box
            triples = np.column_stack([animal.points, animal.visibility])
            triples[~animal.labelled] = 0
            annotations.append(dict(
                id=len(annotations) + 1, image_id=image_id, category_id=1, bbox=box.tolist(),
                area=float(box[2] * box[3]), iscrowd=0, num_keypoints=int(animal.labelled.sum()),
                keypoints=[int(value) if place % 3 == 2 else value for place, value in enumerate(triples.ravel())])
                | (_extras(animal) if extras else {}))
    if made:
        announce(f'{path}: {made} animals have no box; written with one around their keypoints')
    category = dict(id=1, name=labels.category, supercategory='', keypoints=list(labels.keypoints),
                    skeleton=(labels.links + skeleton_base).tolist())
    info = dict(description='written by capekit') | (dict(skeleton_base=skeleton_base) if extras else {})
    return dict(info=info, licenses=[], images=images, annotations=annotations, categories=[category])


def _extras(animal: Animal) -> dict:
    review = {key: value for key, value in (('status', animal.status), ('rank', animal.rank)) if value is not None}
    values = dict(
        keypoint_scores=None if animal.scores is None else animal.scores.tolist(),
        keypoint_errors=None if animal.errors is None else animal.errors.tolist(),
        score=animal.score, animal=animal.name, review=review or None)
    return {key: value for key, value in values.items() if value is not None}


COCO = Format('coco', 'COCO keypoints JSON', read_coco, write_coco, frozenset(PARTS))
