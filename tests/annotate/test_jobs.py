"""Adapting and predicting, with a model that answers at once."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from capekit.annotate import jobs as module
from capekit.annotate.jobs import Jobs
from capekit.errors import CapekitError
from capekit.labelling.records import FitReport, PosePrediction


class Inferencer:
    """In place of the real one: its keypoint k lies at (10 k, 5) of each image, with the settings it was saved with."""

    saved: dict = {}

    def __init__(self, *args):
        self.settings = {}

    def fit(self, labelled, images, **options):
        self.settings = dict(names=json.loads(labelled.read_text())['categories'][0]['keypoints'])
        return FitReport('frozen', 1, 0, 0.0, (), False, 'not')

    def save(self, path):
        path.write_bytes(b'')
        Inferencer.saved = self.settings

    def load(self, path):
        self.settings = Inferencer.saved
        return self

    def predict(self, images, boxes, animals):
        count = len(self.settings['names'])
        points = np.column_stack((10.0 * np.arange(count), np.full(count, 5.0)))
        for image in images:
            if cv2.imread(image) is not None:
                yield PosePrediction(image, None, 0, np.array([0.0, 0, 30, 30]), points, np.ones(count), np.ones(count),
                                     spread=np.ones(count), misfit=np.ones(count))


@pytest.fixture
def jobs(project, monkeypatch):
    monkeypatch.setattr('capekit.apis.CapeInferencer', Inferencer)
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2], 'k2': [30, 20, 2]})
    return Jobs(project)


def done(jobs) -> str:
    jobs.work._thread.join()
    status = jobs.work.status()
    assert status['error'] is None
    return status['text']


def test_keypoints_may_change_between_adapting_and_predicting(jobs, project):
    jobs.adapt(0)
    done(jobs)
    first, second = project.state.keypoints
    project.set_schema('mouse', [second, dict(id=None, name='ear'), first], [], [])
    jobs.predict('whole', 1, only_twelve=False)
    done(jobs)
    assert [one['points'] for one in jobs.predictions('predict')['predictions']] == [
        {'k1': [0, 5, 2], 'k2': [10, 5, 2]}] * 2
    project.set_schema('mouse', [second], [], [])
    jobs.predict('whole', 1, only_twelve=False)
    done(jobs)
    assert jobs.predictions('predict')['predictions'][0]['points'] == {'k2': [10, 5, 2]}
    assert jobs.predictions('predict')['round'] == 2


def test_a_model_that_cannot_be_loaded(jobs, monkeypatch):
    jobs.adapt(0)
    done(jobs)

    def load(self, path):
        raise CapekitError(f'model {path}: of another version of capekit, or no model')
    monkeypatch.setattr(Inferencer, 'load', load)
    jobs.predict('whole', 1, only_twelve=False)
    jobs.work._thread.join()
    assert 'adapt again' in jobs.work.status()['error']


def test_images_with_a_problem_do_not_stop_the_others(jobs, project):
    (project.folder / 'frame_4.png').write_bytes(b'nothing')
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    damaged = cv2.imencode('.jpg', noise)[1].tobytes()
    (project.folder / 'damaged.jpg').write_bytes(damaged[:len(damaged) // 2])
    project.set_animal('damaged.jpg', 'a1', {'k1': [3, 4, 2]})
    jobs.adapt(0)
    text = done(jobs)
    assert '2 images left out: frame_4.png: not a readable image' in text and '; damaged.jpg: damaged' in text
    assert str(project.folder) not in text
    content = json.loads((project.own / 'labels.json').read_text())
    assert len(content['annotations']) == 1 and 'damaged.jpg' not in str(content)
    jobs.predict('whole', 1, only_twelve=False)
    assert done(jobs).startswith('2 animals in 2 images; 1 images left out: frame_4.png')


def test_only_damaged_labels(jobs, project, monkeypatch):
    monkeypatch.setattr(module, 'read_pictures', lambda names, folder: [
        SimpleNamespace(name=name, fault=f'{folder / name}: damaged') for name in names])
    jobs.adapt(0)
    jobs.work._thread.join()
    assert jobs.work.status()['error'] == 'no labelled image can be read: frame_1.png: damaged'


@pytest.mark.parametrize('seconds', [-1, float('nan'), float('inf'), 10 ** 400])
def test_times_that_are_none(jobs, seconds):
    with pytest.raises(CapekitError, match='between 0 and 86400 seconds'):
        jobs.adapt(seconds)
