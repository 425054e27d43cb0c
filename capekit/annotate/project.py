"""A folder of images and what a person has said about them."""

import math
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from capekit.annotate.journal import Journal
from capekit.errors import CapekitError

IMAGE_TYPES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
HIDDEN, SHOWN = 1, 2  # visibility, as in COCO; a keypoint that is not labelled has no point
ORIGINS = ('drawn', 'imported', 'accepted', 'corrected')
NAME = re.compile(r'[^\x00-\x1f\x7f]{1,80}')


@dataclass
class Animal:
    """One labelled animal of an image.

    Attributes:
        points: keypoint id -> [x, y, visibility], in pixels of the image as viewers show it; centres are integers.
        box: [x, y, width, height] or None.
        origin: one of `ORIGINS`.
    """

    points: dict[str, list[float]] = field(default_factory=dict)
    box: list[float] | None = None
    origin: str = 'drawn'


@dataclass
class State:
    """What all changes together say; keypoints have ids, so that renaming and reordering touch no label."""

    category: str = 'animal'
    keypoints: list[dict] = field(default_factory=list)  # [{'id': 'k1', 'name': 'nose'}]
    links: list[list[str]] = field(default_factory=list)
    pairs: list[list[str]] = field(default_factory=list)
    animals: dict[str, dict[str, Animal]] = field(default_factory=dict)  # image -> animal id -> Animal
    decisions: dict[str, dict[str, str]] = field(default_factory=dict)  # image -> animal id -> accept, correct, reject

    def apply(self, change: dict) -> None:
        """Take over one change of the journal."""
        if change['op'] == 'schema':
            self.category, self.keypoints = change['category'], change['keypoints']
            self.links, self.pairs = change['links'], change['pairs']
        elif change['op'] == 'animal':
            animals = self.animals.setdefault(change['image'], {})
            if change['deleted']:
                animals.pop(change['animal'], None)
            else:
                animals[change['animal']] = Animal(change['points'], change['box'], change['origin'])
        elif change['op'] == 'review':
            self.decisions.setdefault(change['image'], {})[change['animal']] = change['decision']
        elif change['op'] == 'predicted':
            self.decisions.clear()


class Project:
    """Images of one folder, labels in `capekit/changes.jsonl` below it. The images are never written to.

    Args:
        folder: of the images.

    Raises:
        CapekitError: it is not a folder, or another process has it open.
    """

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise CapekitError(f'{folder}: no such folder; give the folder of the images, or a video')
        self.folder = folder
        self.own = folder / 'capekit'
        self.lock = threading.RLock()
        self._sizes: dict[str, tuple[int, int]] = {}
        self._journal = Journal(self.own / 'changes.jsonl')
        self.state = State()
        for change in self._journal.read():
            self.state.apply(change)

    def images(self) -> list[str]:
        """File names, in the order in which people count: frame_2 before frame_10."""
        names = [path.name for path in self.folder.iterdir()
                 if path.suffix.lower() in IMAGE_TYPES and path.is_file() and not path.name.startswith('.')]
        return sorted(names, key=lambda name: [(int(part), '') if part.isdigit() else (-1, part.lower())
                                               for part in re.split(r'(\d+)', name)])

    def path(self, name: str) -> Path:
        """Where an image is.

        Raises:
            CapekitError: no image of the project has this name; names that lead elsewhere are not images of it.
        """
        path = self.folder / name
        if Path(name).name != name or path.suffix.lower() not in IMAGE_TYPES or not path.is_file():
            raise CapekitError(f'{name!r} is not an image of this project')
        if path.resolve().parent != self.folder.resolve():
            raise CapekitError(f'{name!r} is a link to a file outside the project; copy the image into its folder')
        return path

    def size(self, name: str) -> tuple[int, int]:
        """Width and height as a viewer shows the image, that is, turned as its EXIF orientation says.

        Raises:
            CapekitError: it is not an image.
        """
        if name not in self._sizes:
            try:
                with Image.open(self.path(name)) as image:
                    turned = image.getexif().get(0x0112, 1) >= 5
                    self._sizes[name] = image.size[::-1] if turned else image.size
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                raise CapekitError(f'{name}: not a readable image ({str(error).splitlines()[0]})') from None
        return self._sizes[name]

    def set_schema(self, category: str, keypoints: list[dict], links: list, pairs: list) -> None:
        """Names, links and left/right pairs. The points of a keypoint that was removed stay in the journal.

        Raises:
            CapekitError: a name is empty or appears twice, or a link names no keypoint.
        """
        names, ids = [item['name'] for item in keypoints], [item['id'] for item in keypoints]
        for name in [category, *names]:
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise CapekitError(f'{name!r} is not a name: 1 to 80 printable characters')
        for what, values in (('name', names), ('id', ids)):
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise CapekitError(f'the keypoint {what} {sorted(twice)[0]!r} appears twice')
        for what, joined in (('link', links), ('pair', pairs)):
            for pair in joined:
                if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(ids):
                    raise CapekitError(f'the {what} {pair!r} does not join two keypoints of {ids}')
        self._write(dict(op='schema', category=category, links=links, pairs=pairs,
                         keypoints=[dict(id=item['id'], name=item['name']) for item in keypoints]))

    def set_animal(self, image: str, animal: str, points: dict, box: list | None = None, deleted: bool = False,
                   origin: str = 'drawn') -> None:
        """The points of one animal, all of them, in place of those it had.

        Raises:
            CapekitError: an unknown image or keypoint, a coordinate outside the image, a box without an area.
        """
        width, height = self.size(image)
        if not isinstance(animal, str) or not re.fullmatch(r'\w{1,20}', animal):
            raise CapekitError(f'{animal!r} is not the id of an animal: 1 to 20 letters and digits')
        known = {item['id'] for item in self.state.keypoints}
        for key, point in points.items():
            if key not in known:
                raise CapekitError(f'{key!r} is not a keypoint of this project: {sorted(known)}')
            if not _numbers(point, 3) or point[2] not in (HIDDEN, SHOWN):
                raise CapekitError(f'{image}: {key} is {point!r}, not [x, y, visibility] with visibility 1 or 2')
            if not (-0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5):
                raise CapekitError(f'{image}: {key} at {point[:2]} lies outside the image of {width} x {height}')
        if box is not None and (not _numbers(box, 4) or box[2] <= 0 or box[3] <= 0):
            raise CapekitError(f'{image}: the box {box!r} is not [x, y, width, height] with an area')
        if origin not in ORIGINS:
            raise CapekitError(f'origin {origin!r}: one of {", ".join(ORIGINS)}')
        self._write(dict(op='animal', image=image, animal=animal, points=points, box=box, deleted=bool(deleted),
                         origin=origin))

    def review(self, image: str, animal: str, decision: str) -> None:
        """What a person says of a predicted animal.

        Raises:
            CapekitError: an unknown image or decision.
        """
        self.path(image)
        if decision not in ('accept', 'correct', 'reject'):
            raise CapekitError(f'decision {decision!r}: one of accept, correct, reject')
        self._write(dict(op='review', image=image, animal=str(animal), decision=decision))

    def forget_decisions(self) -> None:
        """New predictions are not reviewed yet."""
        self._write(dict(op='predicted'))

    def coco(self) -> dict:
        """The labels as a COCO keypoint file; images without labels are listed too."""
        with self.lock:
            state, names = self.state, self.images()
            order = {item['id']: index for index, item in enumerate(state.keypoints)}
            images: list[dict] = []
            annotations: list[dict] = []
            for number, name in enumerate(names, 1):
                width, height = self.size(name)
                images.append(dict(id=number, file_name=name, width=width, height=height))
                for animal in state.animals.get(name, {}).values():
                    table = np.zeros((len(order), 3))
                    for key, point in animal.points.items():
                        if key in order:
                            table[order[key]] = point
                    if not (table[:, 2] > 0).any():
                        continue
                    box = animal.box or box_of(table[table[:, 2] > 0, :2], (width, height))
                    annotations.append(dict(
                        id=len(annotations) + 1, image_id=number, category_id=1, bbox=box, area=box[2] * box[3],
                        iscrowd=0, keypoints=table.reshape(-1).tolist(), num_keypoints=int((table[:, 2] > 0).sum())))
            category = dict(id=1, name=state.category, supercategory=state.category,
                            keypoints=[item['name'] for item in state.keypoints],
                            skeleton=[[order[a], order[b]] for a, b in state.links])
            return dict(images=images, annotations=annotations, categories=[category])

    def close(self) -> None:
        """Let another process open the project."""
        self._journal.close()

    def _write(self, change: dict) -> None:
        with self.lock:
            self._journal.append(dict(change, time=round(time.time(), 3)))
            self.state.apply(change)


def box_of(points: np.ndarray, size: tuple[int, int], margin: float = 0.15) -> list[float]:
    """Box around points (N, 2), a share `margin` of its longer side larger on each side, within an image of `size`."""
    low, high = points.min(0), points.max(0)
    extra = max(float((high - low).max()) * margin, 8)
    low, high = np.maximum(low - extra, 0), np.minimum(high + extra, np.array(size) - 1)
    return [*low.tolist(), *(high - low).tolist()]


def _numbers(values, count: int) -> bool:
    return (isinstance(values, list) and len(values) == count
            and all(type(value) in (int, float) and math.isfinite(value) for value in values))
