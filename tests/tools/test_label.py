"""capekit label: what it writes, resuming, broken images, refusals."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from animals import boxes, draw, write_animals

from capekit.commands import label
from capekit.errors import CapekitError
from capekit.labelling import output


@pytest.fixture(scope='module')
def animals(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp('animals')
    labelled, images, truth = write_animals(folder, count=12)
    (images / 'broken.png').write_bytes((images / '5.png').read_bytes()[:500])
    (folder / 'boxes.json').write_text(json.dumps(boxes(truth)))
    return labelled, images, folder / 'boxes.json', truth


@pytest.fixture
def call(monkeypatch, animals):
    """Run the command on the animals, without adaptation, with given boxes."""
    def run(out, *more):
        arguments = ['--labelled', animals[0], '--images', animals[1], '--boxes', animals[2], '--adapt', 0,
                     '--out', out, *more]
        monkeypatch.setattr(sys, 'argv', ['label', *map(str, arguments)])
        label.main()
    return run


def files(folder) -> dict:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_what_a_run_writes_and_that_a_killed_one_ends_the_same(call, animals, tmp_path, monkeypatch, capsys):
    call(tmp_path / 'whole', '--suggest', '2', '--draw')
    content = json.loads((tmp_path / 'whole/predictions.json').read_text())
    assert [image['file_name'] for image in content['images']] == ['10.png', '11.png', *(f'{i}.png' for i in
                                                                                        range(4, 10))]
    for annotation in content['annotations']:
        assert len(annotation['keypoint_scores']) == 4 and annotation['review']['status'] == 'predicted'
        image = content['images'][annotation['image_id'] - 1]
        points = np.reshape(annotation['keypoints'], (-1, 3))[:, :2]
        assert np.linalg.norm(points - animals[3][image['file_name']], axis=1).mean() < 10
    rows = (tmp_path / 'whole/review.csv').read_text().splitlines()
    assert rows[0] == 'rank,image,frame,animal,keypoint,expected_px,reason' and len(rows) == 9
    assert [row.split(',')[0] for row in rows[1:]] == [str(i) for i in range(1, 9)]
    state = json.loads((tmp_path / 'whole/run.json').read_text())
    assert state['state'] == 'complete' and [entry['image'] for entry in state['broken']] == ['broken.png']
    assert 'left out: ' in capsys.readouterr().out
    assert len((tmp_path / 'whole/suggestions.csv').read_text().splitlines()) == 3
    assert len(list((tmp_path / 'whole/drawn').iterdir())) == 8
    assert cv2.imread(str(tmp_path / 'whole/contact_sheet.jpg')) is not None

    original = output.RunFolder.append

    def append_once(self, group):
        original(self, group)
        with open(self.folder / output.JOURNAL, 'ab') as file:
            file.write(b'[{"image": "cut o')
        raise KeyboardInterrupt
    monkeypatch.setattr(output.RunFolder, 'append', append_once)
    with pytest.raises(KeyboardInterrupt):
        call(tmp_path / 'killed', '--suggest', '2', '--draw')
    monkeypatch.setattr(output.RunFolder, 'append', original)
    assert not (tmp_path / 'killed/predictions.json').exists()
    with pytest.raises(CapekitError, match='unfinished run with other suggest'):
        call(tmp_path / 'killed', '--suggest', '3', '--draw')
    call(tmp_path / 'killed', '--suggest', '2', '--draw')
    assert 'going on' in capsys.readouterr().out
    assert files(tmp_path / 'killed') == files(tmp_path / 'whole')

    with pytest.raises(CapekitError, match='complete run'):
        call(tmp_path / 'whole', '--suggest', '2', '--draw')
    call(tmp_path / 'whole', '--overwrite', '--review', '3')
    assert len((tmp_path / 'whole/review.csv').read_text().splitlines()) == 4
    assert not (tmp_path / 'whole/suggestions.csv').exists() and not (tmp_path / 'whole/drawn').exists()


def test_a_video_with_smoothed_points_beside_the_raw(animals, tmp_path, monkeypatch):
    film = animals[1] / 'film.avi'
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*'MJPG'), 10, (160, 120))
    rng = np.random.default_rng(8)
    for _ in range(6):
        writer.write(draw(rng)[0][..., ::-1])
    writer.release()
    out = tmp_path / 'out'
    monkeypatch.setattr(sys, 'argv', ['label', '--labelled', str(animals[0]), '--images', str(film), '--out', str(out),
                                      '--adapt', '0', '--boxes', 'whole', '--smooth', 'median:3', '--stride', '2'])
    label.main()
    raw, smooth = (json.loads((out / f'{name}.json').read_text()) for name in ('predictions', 'smoothed'))
    for content in (raw, smooth):
        assert [(image['file_name'], image['frame']) for image in content['images']] == [
            ('film.avi', 0), ('film.avi', 2), ('film.avi', 4)]
    assert raw['annotations'][1]['keypoints'] != smooth['annotations'][1]['keypoints']
    assert 'jump' in (out / 'review.csv').read_text()


def test_refusals(call, animals, tmp_path):
    (tmp_path / 'used').mkdir()
    (tmp_path / 'used/notes.txt').write_text('mine')
    with pytest.raises(CapekitError, match='holds other files'):
        call(tmp_path / 'used')
    for options, message in ((('--smooth', 'median:5'), 'for videos'), (('--review', 0), '1 or more'),
                             (('--boxes', tmp_path / 'none.json'), 'cannot be read')):
        with pytest.raises(CapekitError, match=message):
            call(tmp_path / 'out', *options)
    assert not (tmp_path / 'out').exists()
