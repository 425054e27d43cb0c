"""The folder that a labelling run writes: a journal while it runs, everything a person needs when it is done."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capekit.errors import CapekitError
from capekit.files import PARTIAL, atomic_write, read_json_lines, remove_partial, write_json
from capekit.interop.labels import Animal, LabelledImage, LabelSet
from capekit.labelling.records import PosePrediction
from capekit.labelling.sources import DRAWN, SHEET, STATE, Picture, read_state
from capekit.locks import Lock

JOURNAL, MODEL, LOCK = 'journal.jsonl', 'model.safetensors', '.run.lock'
REVIEW, SUGGESTIONS = 'review.csv', 'suggestions.csv'
PREDICTIONS, SMOOTHED = 'predictions', 'smoothed'
SUFFIXES = {'coco': 'json', 'dlc': 'csv', 'dlc-h5': 'h5', 'lp': 'csv', 'slp': 'slp', 'csv': 'csv'}
"""Of the formats that a run can write."""
RESULTS = dict.fromkeys([STATE, JOURNAL, MODEL, REVIEW, SHEET, SUGGESTIONS, DRAWN, *(
    f'{stem}{form}.{suffix}' for stem in (PREDICTIONS, SMOOTHED) for name, suffix in SUFFIXES.items()
    for form in ('', f'_{name}'))])
"""Names of everything that a run may write into its folder."""
ARRAYS = ('box', 'points', 'scores', 'error', 'spread', 'misfit')


class RunFolder:
    """Resumes what it finds if it was asked for the same; never overwrites anything else.

    Args:
        folder: created by `open` if missing.
        request: JSON-able; what the run depends on.
        overwrite: begin anew; what an earlier run left is removed by `start`, and nothing else.
        inputs: files that the run reads, which overwriting must not remove.

    Raises:
        CapekitError: the folder holds something else, or a complete run; or overwriting would remove an input.
    """

    def __init__(self, folder: str | Path, request: dict[str, Any], overwrite: bool = False,
                 inputs: Sequence[Path] = ()):
        self.folder, self.request, self.overwrite = Path(folder), json.loads(json.dumps(request)), overwrite
        self._lock: Lock | None = None
        removed = [path.resolve() for path in self._written()]
        for path in inputs:
            if overwrite and any(path.resolve().is_relative_to(own) for own in removed):
                raise CapekitError(f'{path}: --overwrite would remove it; name another folder for --out')
        self._check()

    def _check(self) -> None:
        folder, state = self.folder, self._state()
        others = [path.name for path in sorted(folder.iterdir()) if path.name != LOCK
                  and not path.name.endswith(PARTIAL)] if folder.is_dir() else []
        if self.overwrite:
            if state is None and (taken := [name for name in others if name in RESULTS]):
                raise CapekitError(f'--out {folder}: {taken[0]} is there, and no run wrote it; name another folder')
            return
        if state is None and others:
            raise CapekitError(f'--out {folder}: holds other files, such as {others[0]}; name another folder')
        if state is not None and state['state'] == 'complete':
            raise CapekitError(f'--out {folder}: holds a complete run; name another folder, or add --overwrite')
        if state is not None and state['request'] != self.request:
            changed = sorted(key for key in {**self.request, **state['request']}
                             if self.request.get(key, ...) != state['request'].get(key, ...))
            raise CapekitError(f'--out {folder}: holds an unfinished run with other {", ".join(changed)}; name another '
                               'folder, or add --overwrite')

    def _written(self) -> list[Path]:
        """What is there of the files and folders that a run writes; nothing where no run was."""
        return [self.folder / name for name in RESULTS if os.path.lexists(self.folder / name)] if self._state() else []

    @property
    def resumes(self) -> bool:
        """There is a fitted model of the same request."""
        return not self.overwrite and self.model.exists()

    def open(self) -> None:
        """Hold the folder until this process ends or `complete`.

        Raises:
            CapekitError: another process holds it, or has used it in the meantime.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CapekitError(f'--out {self.folder}: cannot be written ({error.strerror})') from None
        self._lock = Lock(self.folder / LOCK, f'--out {self.folder}')
        self._check()
        for folder in (self.folder, self.folder / DRAWN, *(self.folder / DRAWN).rglob('*/')):
            remove_partial(folder)

    def start(self) -> None:
        """State that a run has begun here; before, nothing is written or removed."""
        if self.overwrite:
            for path in self._written():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.folder / JOURNAL).unlink(missing_ok=True)  # of a model that is gone
        write_json(self.folder / STATE, dict(state='running', request=self.request))

    def _state(self) -> dict | None:
        """Of the run that is here; None if there is none."""
        return read_state(self.folder / STATE)

    @property
    def model(self) -> Path:
        """Where the fitted model is, or will be."""
        return self.folder / MODEL

    def records(self) -> list[dict]:
        """What the journal holds, an image each; a line that was cut off is removed."""
        path = self.folder / JOURNAL
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[:content.rfind(b'\n') + 1]
        if whole != content:
            with atomic_write(path) as file:
                file.write(whole)
        return [record for group in read_json_lines(path) for record in group]

    def append(self, group: Sequence[tuple[Picture, list[PosePrediction]]]) -> list[dict]:
        """Add a group to the journal, and return its records; they are on disk then."""
        records = [_record(picture, predictions) for picture, predictions in group]
        line = json.dumps(records) + '\n'
        with open(self.folder / JOURNAL, 'ab') as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        return records

    def complete(self, summary: dict[str, Any]) -> None:
        """State that everything is written, and remove the journal."""
        # Sorted: a report that comes from a saved model has its keys in another order than a new one.
        summary = json.loads(json.dumps(summary, sort_keys=True))
        write_json(self.folder / STATE, dict(state='complete', request=self.request, **summary))
        for name in (JOURNAL, LOCK):
            (self.folder / name).unlink(missing_ok=True)


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
        # Names of files need not be UTF-8.
        file.write(text.getvalue().encode(errors='surrogateescape'))
