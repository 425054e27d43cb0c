"""What the page's buttons start: importing, adapting, predicting, exporting. Files go to `capekit/` in the project."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capekit.annotate.project import Project
from capekit.annotate.work import Work
from capekit.errors import CapekitError
from capekit.files import atomic_write, write_json
from capekit.interop import labels as label_files

if TYPE_CHECKING:
    from capekit.labelling.predictor import Boxes
    from capekit.labelling.records import PosePrediction

BOXES = ('find', 'drawn', 'whole')
SUFFIXES = {'coco': '.json', 'dlc': '.csv', 'dlc-h5': '.h5', 'lp': '.csv', 'slp': '.slp', 'csv': '.csv'}
TRIED = 12
MODEL = 'model.safetensors'
RANDOM_SHARE = 0.1


class Jobs:
    """Everything that reads or writes the project's model and predictions.

    Args:
        project: of the page.
        device: such as 'cpu'.
        config, checkpoint: of the method; None for features that come with pip, adapted to the labels.
    """

    def __init__(self, project: Project, device: str = 'cpu', config: str | None = None, checkpoint: str | None = None):
        self.project, self.work = project, Work()
        self._device, self._config, self._checkpoint = device, config, checkpoint

    def import_labels(self, name: str, content: bytes) -> dict:
        """Take over the points of another tool's file, for images that have none yet.

        Returns:
            dict: `text`, a line for the person.

        Raises:
            CapekitError: the file is of no known format, or names keypoints of another project.
        """
        path = self.project.own / 'imports' / name
        if path.exists() and path.read_bytes() != content:
            raise CapekitError(f'{name} was imported before with other content; rename the new file')
        with atomic_write(path) as file:
            file.write(content)
        labels = label_files.read(path, label_files.detect(path), images=self.project.folder)
        with self.project.lock:
            return {'text': self._take_over(labels)}

    def _take_over(self, labels: label_files.LabelSet) -> str:
        project = self.project
        known = {item['name']: item['id'] for item in project.state.keypoints}
        if not known:
            known = {name: f'k{number}' for number, name in enumerate(labels.keypoints, 1)}
            project.set_schema(labels.category, [dict(id=id_, name=name) for name, id_ in known.items()],
                               [[known[labels.keypoints[a]], known[labels.keypoints[b]]] for a, b in labels.links], [])
        if unknown := [name for name in labels.keypoints if name not in known]:
            raise CapekitError(f'the file has the keypoint {unknown[0]!r}; this project has {", ".join(known)}')
        own, taken, absent = set(project.images()), 0, 0
        for image in labels.images:
            if Path(image.file).name not in own:
                absent += bool(image.animals)
                continue
            name = Path(image.file).name
            if project.state.animals.get(name):
                continue
            for number, animal in enumerate(image.animals, 1):
                points = {known[labels.keypoints[k]]: [*animal.points[k].tolist(), int(animal.visibility[k])]
                          for k in np.flatnonzero(animal.labelled)}
                box = None if animal.box is None else animal.box.tolist()
                project.set_animal(name, f'a{number}', points, box, origin='imported')
                taken += 1
        return f'{taken} animals imported' + (f'; {absent} images of the file are not in the folder' if absent else '')

    def adapt(self, seconds: float) -> None:
        """Fit on what a person has labelled, corrected or accepted, and keep the model.

        Raises:
            CapekitError: nothing is labelled, or another job runs.
        """
        content = self.project.coco()
        if not content['annotations']:
            raise CapekitError('nothing is labelled yet')
        self.work.start('adapting', lambda progress: self._adapt(content, seconds, progress))

    def _adapt(self, content: dict, seconds: float, progress: Callable[[float, str], None]) -> str:
        # Imported here, since torch takes seconds, and the page does not need it.
        from capekit.apis import CapeInferencer
        own = self.project.own
        write_json(own / 'labels.json', content)
        inferencer = CapeInferencer(self._config, self._checkpoint, self._device)
        parts = dict(checking=(0.0, 0.65), adapting=(0.65, 0.3))  # where each part starts and its share of the time

        def tell(what: str, share: float) -> None:
            start, part = parts.get(what, (0.95, 0.05))
            progress(start + part * share, what)
        report = inferencer.fit(own / 'labels.json', self.project.folder, adapt_seconds=seconds, progress=tell)
        inferencer.save(own / MODEL)
        write_json(own / 'report.json', report.as_dict())
        return f'{report.supports} labelled animals, {report.model} model'

    def report(self) -> dict:
        """What `Check` shows, without `rows` where nothing was fitted yet."""
        path = self.project.own / 'report.json'
        if not path.is_file():
            return {}
        report = json.loads(path.read_text())
        rows = [dict(name=row['name'], supports=row['supports'], error=_percent(row['error']),
                     low=_percent(row['interval'][0]), high=_percent(row['interval'][1]))
                for row in report['keypoints']]
        notes = [f'Model: {report["model"]}. Errors: {report["measured_with"]}.']
        if not report['calibrated']:
            notes.append('Too few left-out points to say how far off predictions will be; the order of review still '
                         'works.')
        return dict(rows=rows, notes=notes)

    def predict(self, boxes: str, animals: int, only_twelve: bool) -> None:
        """Predict images that are not labelled: all, or twelve spread over the folder to see where animals are found.

        Raises:
            CapekitError: nothing was adapted yet, an unknown way of finding animals, or another job runs.
        """
        if boxes not in BOXES:
            raise CapekitError(f'boxes {boxes!r}: one of {", ".join(BOXES)}')
        if not 1 <= animals <= 100:
            raise CapekitError('between 1 and 100 animals per image')
        if not (self.project.own / MODEL).is_file():
            raise CapekitError('adapt to the labelled images first, under Check')
        names = [name for name in self.project.images() if not self._is_labelled(name)]
        if only_twelve:
            names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(TRIED, len(names))).astype(int))]
        if not names:
            raise CapekitError('every image is labelled')
        kind = 'try' if only_twelve else 'predict'
        self.work.start('predicting', lambda progress: self._predict(kind, names, boxes, animals, progress))

    def _is_labelled(self, name: str) -> bool:
        return any(animal.points for animal in self.project.state.animals.get(name, {}).values())

    def _predict(self, kind: str, names: list[str], boxes: str, animals: int, progress) -> str:
        from capekit.apis import CapeInferencer
        from capekit.labelling.review import rank_worst_first
        inferencer = CapeInferencer(self._config, self._checkpoint, self._device).load(self.project.own / MODEL)
        paths = [str(self.project.folder / name) for name in names]
        given: Boxes = 'whole' if boxes == 'whole' else None
        if boxes == 'drawn':
            given = drawn = self._drawn_boxes(names)
            paths = [path for path in paths if path in drawn]
            if not paths:
                raise CapekitError('no box is drawn in an image without points; draw boxes under Label, with b')
        found: list[PosePrediction] = []
        progress(0.0, 'finding animals' if boxes == 'find' else 'predicting')
        for prediction in inferencer.predict(paths, given, animals):
            found.append(prediction)
            done = 1 + paths.index(prediction.image)
            progress(0.99 * done / len(paths), f'{done} of {len(paths)} images')
        write_json(self.project.own / f'{kind}.json', self._as_records(rank_worst_first(found)))
        if kind == 'predict':
            self.project.forget_decisions()
        return f'{len(found)} animals in {len({prediction.image for prediction in found})} images'

    def _drawn_boxes(self, names: list[str]) -> dict[str, Sequence]:
        animals = self.project.state.animals
        drawn = {str(self.project.folder / name):
                 [animal.box for animal in animals.get(name, {}).values() if animal.box] for name in names}
        return {path: boxes for path, boxes in drawn.items() if boxes}

    def _as_records(self, found: list['PosePrediction']) -> list[dict]:
        """JSON-able predictions, the worst first, a fixed random tenth of them marked."""
        ids = [item['id'] for item in self.project.state.keypoints]
        share = max(1, round(RANDOM_SHARE * len(found)))
        random = set(np.random.default_rng(0).permutation(len(found))[:share].tolist())
        records = []
        for number, prediction in enumerate(found):
            shown = [(key, k) for k, key in enumerate(ids) if np.isfinite(prediction.points[k]).all()]
            records.append(dict(
                image=Path(prediction.image).name, animal=f'p{prediction.animal + 1}', box=prediction.box.tolist(),
                found=prediction.box_from, rank=prediction.rank, reason='; '.join(prediction.reasons),
                random=number in random, points={key: [*prediction.points[k].tolist(), 2] for key, k in shown},
                scores={key: float(prediction.scores[k]) for key, k in shown},
                errors={key: float(prediction.error[k]) for key, k in shown}))
        return records

    def predictions(self, kind: str) -> dict:
        """`predictions` of the last run of a kind ('try' or 'predict'), the worst first."""
        path = self.project.own / f'{kind}.json'
        return dict(predictions=json.loads(path.read_text()) if path.is_file() else [])

    def review(self, image: str, animal: str, decision: str) -> None:
        """What a person says of a prediction; see `Project.review`."""
        self.project.review(image, animal, decision)

    def formats(self) -> list[dict]:
        """What `export` can write: `name` and a line `about` each."""
        return [dict(name=name, about=format.title) for name, format in label_files.FORMATS.items() if name in SUFFIXES]

    def export(self, formats: list[str]) -> dict:
        """Write labels, and predictions that nobody has decided on, to `capekit/export`.

        Returns:
            dict: `files` written and `notes` on what a format could not hold.
        """
        if not formats:
            raise CapekitError('choose a format')
        labels, files, notes = self._label_set(), [], []
        for name in formats:
            if name not in SUFFIXES:
                raise CapekitError(f'format {name!r}: one of {", ".join(SUFFIXES)}')
            path = self.project.own / 'export' / f'labels_{name}{SUFFIXES[name]}'
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
        predicted: dict[str, list[dict]] = {}
        for record in self.predictions('predict')['predictions']:
            decided = record['animal'] in state.decisions.get(record['image'], {})
            if not decided and not self._is_labelled(record['image']):
                predicted.setdefault(record['image'], []).append(record)
        images = []
        for name in project.images():
            animals = [_animal(ids, animal.points, animal.box, animal.origin)
                       for animal in state.animals.get(name, {}).values()]
            animals += [_animal(ids, record['points'], record['box'], 'predicted', record['scores'], record['rank'])
                        for record in predicted.get(name, [])]
            shown = [animal for animal in animals if animal is not None]
            images.append(label_files.LabelledImage(name, project.size(name), shown))
        order = {key: number for number, key in enumerate(ids)}
        return label_files.LabelSet(images, [item['name'] for item in state.keypoints],
                                    np.array([[order[a], order[b]] for a, b in state.links], np.int64).reshape(-1, 2),
                                    state.category)


def _animal(ids: list[str], points: dict, box, status: str, scores: dict | None = None, rank: int | None = None):
    if not any(key in points for key in ids):
        return None
    table = np.array([points.get(key, [np.nan, np.nan, 0]) for key in ids], dtype=np.float64)
    return label_files.Animal(
        table[:, :2], table[:, 2], box=box, status=status, rank=rank,
        scores=None if scores is None else np.array([scores.get(key, np.nan) for key in ids]))


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
