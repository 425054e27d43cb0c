"""What the page's buttons start: adapting, predicting. Files go to `capekit/` in the project."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capekit.annotate.predicted import open_boxes, read_records, to_predict, to_records, unlabelled
from capekit.annotate.project import Project
from capekit.annotate.work import Work
from capekit.errors import CapekitError
from capekit.files import read_json, write_json
from capekit.labelling.sources import read_pictures

if TYPE_CHECKING:
    from capekit.labelling.predictor import Boxes
    from capekit.labelling.records import PosePrediction

BOXES = ('find', 'drawn', 'whole')
TRIED = 12
NAMED = 3
"""Problems that a line names one by one."""
LONGEST = 86400
MODEL = 'model.safetensors'


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

    def adapt(self, seconds: float) -> None:
        """Fit on what a person has labelled, corrected or accepted, and keep the model.

        Raises:
            CapekitError: nothing is labelled, a time that is none, or another job runs.
        """
        if not 0 <= seconds <= LONGEST:
            raise CapekitError(f'between 0 and {LONGEST} seconds')
        with self.project.lock:
            content, problems = self.project.coco(), list(self.project.check()[1].values())
            keypoints = [item['id'] for item in self.project.state.keypoints]
        if not content['annotations']:
            raise CapekitError('nothing is labelled yet')
        self.work.start('adapting', lambda progress: self._adapt(content, keypoints, problems, seconds, progress))

    def _adapt(self, content: dict, keypoints: list[str], problems: list[str], seconds: float, progress) -> str:
        # Imported here, since torch takes seconds, and the page does not need it.
        from capekit.apis import CapeInferencer
        own = self.project.own
        problems = problems + self._leave_out_damaged(content)
        write_json(own / 'labels.json', content)
        inferencer = CapeInferencer(self._config, self._checkpoint, self._device)
        parts = dict(checking=(0.0, 0.65), adapting=(0.65, 0.3))  # where each part starts and its share of the time

        def tell(what: str, share: float) -> None:
            start, part = parts.get(what, (0.95, 0.05))
            progress(start + part * share, what)
        report = inferencer.fit(own / 'labels.json', self.project.folder, adapt_seconds=seconds, progress=tell)
        inferencer.settings['keypoint_ids'] = keypoints
        inferencer.save(own / MODEL)
        write_json(own / 'report.json', report.as_dict())
        return f'{report.supports} labelled animals, {report.model} model' + _left_out(problems)

    def _leave_out_damaged(self, content: dict) -> list[str]:
        """Take labelled images that cannot be decoded out of COCO content; returns what is wrong with each."""
        labelled = {annotation['image_id'] for annotation in content['annotations']}
        names = {image['file_name']: image['id'] for image in content['images'] if image['id'] in labelled}
        faults = {picture.name: picture.fault for picture in read_pictures(list(names), self.project.folder)
                  if picture.fault}
        gone = {names[name] for name in faults}
        content['images'] = [image for image in content['images'] if image['id'] not in gone]
        content['annotations'] = [each for each in content['annotations'] if each['image_id'] not in gone]
        problems = [fault.replace(str(self.project.folder / name), name) for name, fault in faults.items()]
        if not content['annotations']:
            raise CapekitError(f'no labelled image can be read: {problems[0]}')
        return problems

    def report(self) -> dict:
        """What `Check` shows, without `rows` where nothing was fitted yet."""
        path = self.project.own / 'report.json'
        if not path.is_file():
            return {}
        report = read_json(path)
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
        sizes, problems = self.project.check()
        state = self.project.state
        names = ([name for name in sizes if open_boxes(state, name)] if boxes == 'drawn' else
                 to_predict(sizes, read_records(self.project, 'predict'), state))
        if not names:
            raise CapekitError('no box without points is drawn; draw boxes under Label, with b' if boxes == 'drawn' else
                               'every image is labelled')
        if only_twelve:
            names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(TRIED, len(names))).astype(int))]
        kind = 'try' if only_twelve else 'predict'
        self.work.start('predicting', lambda progress: self._predict(kind, names, boxes, animals,
                                                                     list(problems.values()), progress))

    def _predict(self, kind: str, names: list[str], boxes: str, animals: int, problems: list[str], progress) -> str:
        from capekit.apis import CapeInferencer
        from capekit.labelling.review import rank_worst_first
        project = self.project
        try:
            inferencer = CapeInferencer(self._config, self._checkpoint, self._device).load(project.own / MODEL)
        except CapekitError as error:
            raise CapekitError(f'{error}; adapt again, under Check') from None
        paths = [str(project.folder / name) for name in names]
        given: Boxes = 'whole' if boxes == 'whole' else None
        if boxes == 'drawn':
            given = {path: open_boxes(project.state, name) for path, name in zip(paths, names, strict=True)}
        found: list[PosePrediction] = []
        progress(0.0, 'finding animals' if boxes == 'find' else 'predicting')
        for prediction in inferencer.predict(paths, given, animals):
            found.append(prediction)
            done = 1 + paths.index(prediction.image)
            progress(0.99 * done / len(paths), f'{done} of {len(paths)} images')
        without = [name for name, path in zip(names, paths, strict=True) if path not in {one.image for one in found}]
        with project.lock:
            found = found if boxes == 'drawn' else unlabelled(found, project)
            ranked = rank_worst_first(found)
            write_json(project.own / f'{kind}.json', to_records(ranked, inferencer.settings['keypoint_ids'], project))
            if kind == 'predict':
                project.forget_decisions()
        return (f'{len(found)} animals in {len({prediction.image for prediction in found})} images'
                + _left_out([*problems, *(f'{name}: damaged, or no animal was found' for name in without)]))

    def predictions(self, kind: str) -> dict:
        """`predictions` of the last run of a kind ('try' or 'predict'), the worst first, and the `round` of these."""
        with self.project.lock:
            return dict(predictions=read_records(self.project, kind), round=self.project.state.round)


def _left_out(problems: Sequence[str]) -> str:
    """The end of a line that says what went well: how many images did not, and why."""
    if not problems:
        return ''
    more = f'; and {len(problems) - NAMED} more' if len(problems) > NAMED else ''
    return f'; {len(problems)} images left out: {"; ".join(problems[:NAMED])}{more}'


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
