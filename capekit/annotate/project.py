"""A folder of images and what a person has said about them."""

import os
import re
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np

from capekit.annotate.journal import Journal
from capekit.annotate.state import HIDDEN, ORIGINS, SHOWN, State
from capekit.datasets.images import DEFAULT, check_header
from capekit.errors import CapekitError, printable

IMAGE_TYPES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
ORIGIN_OF = dict(accept='accepted', correct='corrected', reject='rejected')
NAME = re.compile(r'[^\x00-\x1f\x7f\ud800-\udfff]{1,80}')
ID = re.compile(r'\w{1,20}')
FARTHEST = 1e6


class Conflict(CapekitError):
    """A change of something that has changed since the page read it."""


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
        return sorted(filter(_is_text, self._files()),
                      key=lambda name: [(int(part), '') if part.isdecimal() else (-1, part.lower())
                                        for part in re.split(r'(\d+)', name)])

    def _files(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()
                if path.suffix.lower() in IMAGE_TYPES and path.is_file() and not path.name.startswith('.')]

    def path(self, name: str) -> Path:
        """Where an image is.

        Raises:
            CapekitError: no image of the project has this name; names that lead elsewhere are not images of it.
        """
        path = self.folder / name
        if Path(name).name != name or path.suffix.lower() not in IMAGE_TYPES or not os.path.isfile(path):
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
            path = self.path(name)
            try:
                self._sizes[name] = check_header(str(path)).seen(DEFAULT)
            except CapekitError as error:
                why = str(error).removeprefix(f'{path}: ')
                raise CapekitError(f'{name}: not a readable image ({why})') from None
        return self._sizes[name]

    def check(self) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
        """The sizes of the images that can be used, and what is wrong with each of the others, by name."""
        sizes, problems = {}, {}
        for name in self.images():
            try:
                sizes[name] = self.size(name)
            except CapekitError as error:
                problems[name] = str(error)
        for name in self._files():
            if not _is_text(name):
                problems[printable(name)] = f'{printable(name)}: its name is not UTF-8; rename the file'
        return sizes, problems

    def identified(self, keypoints: list[dict]) -> list[dict]:
        """The keypoints with an id for those whose id is None: a removed one's of the same name, else a new one."""
        taken = {item['id'] for item in keypoints}
        removed = {name: key for key, name in self.state.known.items() if key not in taken}
        free = (f'k{number}' for number in count(1) if f'k{number}' not in {*taken, *self.state.known})
        return [dict(id=item['id'] or removed.pop(item['name'], None) or next(free), name=item['name'])
                for item in keypoints]

    def set_schema(self, category: str, keypoints: list[dict], links: list, pairs: list,
                   revision: int | None = None) -> None:
        """Names, links and left/right pairs. The points of a keypoint that was removed stay.

        Args:
            category: its name.
            keypoints: see `identified`.
            links, pairs: of two ids each.
            revision: that the change was made on; None = any.

        Raises:
            CapekitError: a name is empty or appears twice, or a link names no keypoint.
            Conflict: the revision is not the last one.
        """
        with self.lock:
            if revision not in (None, self.state.schema_revision):
                raise Conflict('the keypoints were changed elsewhere meanwhile, and are shown as they are now; make '
                               'your change again')
            keypoints = self.identified(keypoints)
            names, ids = [item['name'] for item in keypoints], [item['id'] for item in keypoints]
            for name in [category, *names]:
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    raise CapekitError(f'{name!r} is not a name: 1 to 80 printable characters')
            for key in ids:
                _check_id(key, 'a keypoint')
            for what, values in (('name', names), ('id', ids)):
                twice = {value for value in values if values.count(value) > 1}
                if twice:
                    raise CapekitError(f'the keypoint {what} {sorted(twice)[0]!r} appears twice')
            for what, joined in (('link', links), ('pair', pairs)):
                for pair in joined:
                    if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(ids):
                        raise CapekitError(f'the {what} {pair!r} does not join two keypoints of {ids}')
            self._write(dict(op='schema', category=category, links=links, pairs=pairs, keypoints=keypoints))

    def set_animal(self, image: str, animal: str, points: dict, box: list | None = None, deleted: bool = False,
                   origin: str = 'drawn', revision: int | None = None) -> int:
        """The points of one animal, all of them, in place of those it had.

        Args:
            image, animal: which one.
            points, box, origin: see `Animal`.
            deleted: it is none.
            revision: that the change was made on; None = any.

        Returns:
            int: the animal's revision from now on.

        Raises:
            CapekitError: an unknown image or keypoint, a coordinate outside the image, a box without an area.
            Conflict: the revision is not the last one, and the animal is not yet as it would be.
        """
        self.check_animal(image, animal, points, box)
        if origin not in ORIGINS:
            raise CapekitError(f'origin {origin!r}: one of {", ".join(ORIGINS)}')
        return self._write_animal(dict(op='animal', image=image, animal=animal, points=points, box=box,
                                       deleted=bool(deleted), origin=origin), revision)

    def check_animal(self, image: str, animal: str, points: dict, box: list | None) -> None:
        """Raise what `set_animal` would."""
        width, height = self.size(image)
        _check_id(animal, 'an animal')
        for key, point in points.items():
            if key not in self.state.known:
                raise CapekitError(f'{key!r} is not a keypoint of this project: {sorted(self.state.known)}')
            if not _numbers(point, 3) or point[2] not in (HIDDEN, SHOWN):
                raise CapekitError(f'{image}: {key} is {point!r}, not [x, y, visibility] with visibility 1 or 2')
            if point[2] == SHOWN and not inside(point, (width, height)):
                raise CapekitError(f'{image}: {key} at {point[:2]} lies outside the image of {width} x {height}; only '
                                   'a hidden point may')
        if box is not None and (not _numbers(box, 4) or box[2] <= 0 or box[3] <= 0):
            raise CapekitError(f'{image}: the box {box!r} is not [x, y, width, height] with an area')

    def review(self, image: str, animal: str, decision: str, points: dict | None = None, box: list | None = None,
               revision: int | None = None, round: int | None = None) -> int:
        """What a person says of a predicted animal, and the animal as it is then: one change.

        Args:
            image, animal, revision: as in `set_animal`.
            decision: 'accept', 'correct', or 'reject', which leaves no animal.
            points, box: of the animal; a predicted point beyond the border of the image becomes a hidden one.
            round: of the prediction; None = any.

        Returns:
            int: the animal's revision from now on.

        Raises:
            CapekitError: an unknown decision, or as `set_animal`.
            Conflict: as `set_animal`, or the images were predicted again.
        """
        if decision not in ORIGIN_OF:
            raise CapekitError(f'decision {decision!r}: one of {", ".join(ORIGIN_OF)}')
        if round not in (None, self.state.round):
            raise Conflict('the images were predicted again meanwhile, and the new predictions are shown; decide again')
        points = hidden_outside(points or {}, self.size(image))
        self.check_animal(image, animal, points, box)
        return self._write_animal(dict(op='review', image=image, animal=animal, decision=decision, points=points,
                                       box=box, origin=ORIGIN_OF[decision]), revision)

    def forget_decisions(self) -> None:
        """New predictions are not reviewed yet."""
        self._write(dict(op='predicted'))

    def coco(self) -> dict:
        """The labels as a COCO keypoint file; images without labels are listed too, those with a problem are not."""
        with self.lock:
            state, sizes = self.state, self.check()[0]
            order = {item['id']: index for index, item in enumerate(state.keypoints)}
            images: list[dict] = []
            annotations: list[dict] = []
            for number, (name, (width, height)) in enumerate(sizes.items(), 1):
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

    def _write_animal(self, change: dict, revision: int | None) -> int:
        image, animal = change['image'], change['animal']
        with self.lock:
            # A page whose answer was lost sends the same change again.
            if revision in (None, self.state.revision(image, animal)):
                self._write(change)
            elif not self.state.says(change):
                raise Conflict(f'{image}, animal {animal}: changed elsewhere meanwhile, and shown as it is now; make '
                               'your change again')
            return self.state.revision(image, animal)

    def _write(self, change: dict) -> None:
        with self.lock:
            self._journal.append(dict(change, time=round(time.time(), 3)))
            self.state.apply(change)


def box_of(points: np.ndarray, size: tuple[int, int], margin: float = 0.15) -> list[float]:
    """Box around points (N, 2), a share `margin` of its longer side larger on each side, within an image of `size`."""
    points = np.clip(points, 0, np.array(size) - 1)  # hidden ones may lie beyond the border
    low, high = points.min(0), points.max(0)
    extra = max(float((high - low).max()) * margin, 8)
    low, high = np.maximum(low - extra, 0), np.minimum(high + extra, np.array(size) - 1)
    return [*low.tolist(), *(high - low).tolist()]


def inside(point, size: tuple[int, int]) -> bool:
    """Whether a point lies on an image of a width and height."""
    return -0.5 <= point[0] <= size[0] - 0.5 and -0.5 <= point[1] <= size[1] - 0.5


def hidden_outside(points: dict, size: tuple[int, int]) -> dict:
    """The same points, those beyond the border of an image of `size` hidden: nobody can see them there."""
    return {key: [*point[:2], HIDDEN] if _numbers(point, 3) and not inside(point, size) else point
            for key, point in points.items()}


def _check_id(value, what: str) -> None:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise CapekitError(f'{value!r} is not the id of {what}: 1 to 20 letters and digits')


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _numbers(values, count: int) -> bool:
    return (isinstance(values, list) and len(values) == count
            and all(type(value) in (int, float) and abs(value) <= FARTHEST for value in values))
