"""Labels from and for other tools. Files go to `capekit/imports` and `capekit/export` in the project."""

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from capekit.annotate.predicted import read_records, undecided
from capekit.annotate.project import Project
from capekit.errors import CapekitError
from capekit.files import atomic_write
from capekit.interop import labels as label_files
from capekit.labelling.output import SUFFIXES
from capekit.labelling.supports import UNSEEN, check_inside, located


class Exchange:
    """What the page imports and exports.

    Args:
        project: of the page.
    """

    def __init__(self, project: Project):
        self.project = project

    def import_labels(self, name: str, content: bytes) -> dict:
        """Take over the points of another tool's file, for images that have none yet, each image whole or not at all.

        Returns:
            dict: `text`, a line for the person, and `refused`, a line for each image that was not taken over.

        Raises:
            CapekitError: the file is of no known format, or names keypoints of another project.
        """
        with tempfile.TemporaryDirectory(dir=self.project.own) as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                format = label_files.detect(path, 'the page cannot tell: run `capekit convert-labels` with --from, and '
                                                  'import the COCO file that it writes')
                labels = label_files.read(path, format)
            except CapekitError as error:
                raise CapekitError(str(error).replace(f'{path}', name)) from None
        with self.project.lock:
            taken, refused = self._take_over(labels)
        if taken:
            self._keep(name, content)
        return dict(text=f'{taken} animals imported' + ('; not imported:' if refused else ''), refused=refused)

    def _keep(self, name: str, content: bytes) -> None:
        """A copy of what was imported, beside earlier ones of the same name."""
        first = path = self.project.own / 'imports' / name
        number = 1
        while path.exists() and path.read_bytes() != content:
            number += 1
            path = first.with_stem(f'{first.stem}_{number}')
        with atomic_write(path) as file:
            file.write(content)

    def _take_over(self, labels: label_files.LabelSet) -> tuple[int, list[str]]:
        """How many animals were imported, and a line for all that was not."""
        own, known = set(self.project.images()), self._keypoints(labels)
        matching: dict[str, list[label_files.LabelledImage]] = defaultdict(list)
        taken, refused = 0, []
        for image, name in zip(labels.images, located(labels, self.project.folder), strict=True):
            if image.animals and name in own:
                matching[name].append(image)
            elif image.animals:
                refused.append(f'{image}: not in the folder')
        for name, images in matching.items():
            try:
                if len(images) > 1:
                    raise CapekitError(f'{name}: may be {" or ".join(map(str, images))}')
                if images[0].size not in (None, size := self.project.size(name)):
                    raise CapekitError(f'{name}: {size[0]} x {size[1]} pixels; the file says {images[0].size[0]} x '
                                       f'{images[0].size[1]}')
                if self.project.state.animals.get(name):
                    raise CapekitError(f'{name}: has labels here, which stay')
                animals = [animal for animal in images[0].animals if animal.status not in UNSEEN]
                if unseen := len(images[0].animals) - len(animals):
                    refused.append(f'{name}: {unseen} animals that are {" or ".join(UNSEEN)}, not labelled')
                taken += self._take_over_image(name, animals, known)
            except CapekitError as error:
                refused.append(str(error))
        return taken, refused

    def _keypoints(self, labels: label_files.LabelSet) -> list[str]:
        """The id of each keypoint of the file; a project that has none takes them over."""
        project = self.project
        if not project.state.keypoints:
            named = project.identified([dict(id=None, name=name) for name in labels.keypoints])
            ids = [item['id'] for item in named]
            project.set_schema(labels.category, named, [[ids[a], ids[b]] for a, b in labels.links], [])
        known = {item['name']: item['id'] for item in project.state.keypoints}
        if unknown := [name for name in labels.keypoints if name not in known]:
            raise CapekitError(f'the file has the keypoint {unknown[0]!r}; this project has {", ".join(known)}')
        return [known[name] for name in labels.keypoints]

    def _take_over_image(self, name: str, animals: list[label_files.Animal], known: list[str]) -> int:
        """All animals of an image or, with a CapekitError, none."""
        changes = []
        for number, animal in enumerate(animals, 1):
            points = {known[k]: [*animal.points[k].tolist(), int(animal.visibility[k])]
                      for k in np.flatnonzero(animal.labelled)}
            # A box without an area says nothing, as for `capekit label`.
            box = animal.box if animal.box is not None and min(animal.box[2:]) != 0 else None
            if box is not None:
                check_inside(box, self.project.size(name), name)
            changes.append((name, f'a{number}', points, None if box is None else box.tolist()))
            self.project.check_animal(*changes[-1])
        for change in changes:
            self.project.set_animal(*change, origin='imported')
        return len(changes)

    def formats(self) -> list[dict]:
        """What `export` can write: `name` and a line `about` each."""
        return [dict(name=name, about=format.title) for name, format in label_files.FORMATS.items() if name in SUFFIXES]

    def export(self, formats: list[str]) -> dict:
        """Write labels, and predictions that nobody has decided on, to `capekit/export`.

        Returns:
            dict: `files` written and `notes` on what a format could not hold, and on images that were left out.
        """
        if not formats:
            raise CapekitError('choose a format')
        if unknown := [name for name in formats if name not in SUFFIXES]:
            raise CapekitError(f'format {unknown[0]!r}: one of {", ".join(SUFFIXES)}')
        labels, files = self._label_set(), []
        notes = [f'left out: {problem}' for problem in self.project.check()[1].values()]
        for name in formats:
            path = self.project.own / 'export' / f'labels_{name}.{SUFFIXES[name]}'
            try:
                label_files.write(path, name, labels, overwrite=True)
                files.append(path.name)
            except CapekitError as error:  # such as several animals in a format for one: the others are still written
                notes.append(f'{name}: {error}')
        return dict(files=files, notes=notes)

    def exported(self, name: str) -> Path:
        """Where a file that was exported lies.

        Raises:
            CapekitError: there is none of that name.
        """
        path = self.project.own / 'export' / name
        if Path(name).name != name or not path.is_file():
            raise CapekitError(f'{name!r} was not exported')
        return path

    def _label_set(self) -> label_files.LabelSet:
        project, state = self.project, self.project.state
        ids = [item['id'] for item in state.keypoints]
        images = {name: label_files.LabelledImage(name, size, []) for name, size in project.check()[0].items()}
        for name, image in images.items():
            image.animals += [_animal(ids, animal.points, animal.box, animal.origin) for animal in state.labelled(name)
                              if not animal.points.keys().isdisjoint(ids)]
        for record in undecided(read_records(project, 'predict'), state):
            if not record['points'].keys().isdisjoint(ids):
                images[record['image']].animals.append(_animal(
                    ids, record['points'], record['box'], 'predicted', record['scores'], record['rank']))
        order = {key: number for number, key in enumerate(ids)}
        return label_files.LabelSet(list(images.values()), [item['name'] for item in state.keypoints],
                                    np.array([[order[a], order[b]] for a, b in state.links], np.int64).reshape(-1, 2),
                                    state.category)


def _animal(ids: list[str], points: dict, box, status: str, scores: dict | None = None,
            rank: int | None = None) -> label_files.Animal:
    table = np.array([points.get(key, [np.nan, np.nan, 0]) for key in ids], dtype=np.float64)
    return label_files.Animal(
        table[:, :2], table[:, 2], box=box, status=status, rank=rank,
        scores=None if scores is None else np.array([scores.get(key, np.nan) for key in ids]))
