"""The folder that a labelling run writes: a journal while it runs, everything a person needs when it is done."""

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write, write_json
from capekit.interop.labels import Animal, LabelledImage, LabelSet
from capekit.labelling.records import PosePrediction
from capekit.labelling.sources import Picture

JOURNAL, STATE, MODEL = 'journal.jsonl', 'run.json', 'model.safetensors'
ARRAYS = ('box', 'points', 'scores', 'error', 'spread', 'misfit')


class RunFolder:
    """Resumes what it finds if it was asked for the same; never overwrites anything else.

    Args:
        folder: created by `start` if missing.
        request: JSON-able; what the run depends on.

    Raises:
        CapekitError: the folder holds something else, or a complete run.
    """

    def __init__(self, folder: str | Path, request: dict[str, Any]):
        self.folder, self.request = Path(folder), json.loads(json.dumps(request))
        state = self._state()
        if state is None and self.folder.is_dir() and any(self.folder.iterdir()):
            raise CapekitError(f'--out {folder}: holds other files; name another folder, or add --overwrite')
        if state is not None and state.get('state') == 'complete':
            raise CapekitError(f'--out {folder}: holds a complete run; name another folder, or add --overwrite')
        if state is not None and state.get('request') != self.request:
            changed = sorted(key for key in {**self.request, **state['request']}
                             if self.request.get(key) != state['request'].get(key))
            raise CapekitError(f'--out {folder}: holds an unfinished run with other {", ".join(changed)}; name another '
                               'folder, or add --overwrite')

    def start(self) -> None:
        """State that a run has begun here; before, nothing is written."""
        write_json(self.folder / STATE, dict(state='running', request=self.request))

    def _state(self) -> dict | None:
        try:
            return json.loads((self.folder / STATE).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise CapekitError(f'{self.folder / STATE}: cannot be read; name another folder, or add '
                               '--overwrite') from None

    @property
    def model(self) -> Path:
        """Where the fitted model is, or will be."""
        return self.folder / MODEL

    def groups(self) -> list[list[dict]]:
        """What the journal holds, group by group; a line that was cut off is removed."""
        path = self.folder / JOURNAL
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[:content.rfind(b'\n') + 1]
        if whole != content:
            with atomic_write(path) as file:
                file.write(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def append(self, group: Sequence[tuple[Picture, list[PosePrediction]]]) -> None:
        """Add a group to the journal; it is on disk when this returns."""
        line = json.dumps([_record(picture, predictions) for picture, predictions in group]) + '\n'
        with open(self.folder / JOURNAL, 'ab') as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def complete(self, summary: dict[str, Any]) -> None:
        """State that everything is written, and remove the journal."""
        # Sorted: a report that comes from a saved model has its keys in another order than a new one.
        summary = json.loads(json.dumps(summary, sort_keys=True))
        write_json(self.folder / STATE, dict(state='complete', request=self.request, **summary))
        (self.folder / JOURNAL).unlink(missing_ok=True)


def _record(picture: Picture, predictions: list[PosePrediction]) -> dict:
    size = None if picture.image is None else [picture.image.shape[1], picture.image.shape[0]]
    return dict(image=picture.name, frame=picture.frame, size=size, fault=picture.fault, animals=[
        dict({name: getattr(p, name).tolist() for name in ARRAYS}, box_from=p.box_from, box_score=p.box_score)
        for p in predictions])


def predictions_of(record: dict) -> list[PosePrediction]:
    """The predictions of a journal's record of one image."""
    predictions = []
    for number, animal in enumerate(record['animals']):
        box, points, scores, error, spread, misfit = (np.array(animal[name], dtype=np.float64) for name in ARRAYS)
        predictions.append(PosePrediction(
            record['image'], record['frame'], number, box, points, scores, error, box_from=animal['box_from'],
            box_score=animal['box_score'], spread=spread, misfit=misfit))
    return predictions


def to_labels(records: Iterable[dict], predictions: Sequence[PosePrediction], category: str, names: Sequence[str],
              links: Sequence) -> LabelSet:
    """Predictions as labels for other tools: every readable image of the records, with its animals."""
    images = {(record['image'], record['frame']): LabelledImage(record['image'], tuple(record['size']),
                                                                frame=record['frame'])
              for record in records if record['size']}
    several = any(prediction.animal for prediction in predictions)
    for p in predictions:
        images[p.image, p.frame].animals.append(Animal(
            p.points, scores=p.scores, errors=p.error, box=p.box, score=float(np.mean(p.scores)),
            name=f'animal{p.animal}' if several and p.frame is not None else None, status='predicted',
            rank=p.rank or None))
    return LabelSet(list(images.values()), names, np.array(links, dtype=np.int64).reshape(-1, 2), category)


def write_rows(path: Path, rows: Iterable[Sequence]) -> None:
    """A CSV file, whole or not at all."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
