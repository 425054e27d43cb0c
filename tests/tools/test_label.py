"""capekit label: what it writes, resuming, broken images, refusals."""

import json
import os
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from animals import boxes, draw, write_animals

from capekit.commands import label
from capekit.errors import CapekitError
from capekit.interop import labels as label_files
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
    call(tmp_path / 'whole', '--overwrite', '--review', '3', '--format', 'csv', 'dlc', 'lp')
    coco = label_files.read(tmp_path / 'whole/predictions.json', 'coco')
    for form in ('csv', 'dlc', 'lp'):
        again = label_files.read(tmp_path / f'whole/predictions_{form}.csv', form)
        assert again.keypoints == coco.keypoints
        for (image, animal), (same, other) in zip(coco.animals, again.animals, strict=True):
            assert same.file == image.file
            np.testing.assert_allclose(other.points, animal.points, atol=1e-6)
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


def test_overwriting_removes_what_a_run_wrote_and_nothing_else(call, animals, tmp_path):
    out = tmp_path / 'out'
    call(out)
    (out / 'notes.txt').write_text('mine')
    corrected = (out / 'predictions.json').read_bytes()
    with pytest.raises(CapekitError, match='predictions.json: --overwrite would remove it'):
        call(out, '--labelled', out / 'predictions.json', '--overwrite')
    with pytest.raises(CapekitError, match='no labelled animal'):
        call(out, '--labelled', write_unusable(tmp_path), '--overwrite')
    assert (out / 'predictions.json').read_bytes() == corrected
    call(out, '--overwrite')
    assert (out / 'notes.txt').read_text() == 'mine' and (out / 'predictions.json').read_bytes() == corrected


def test_overwriting_needs_a_run(call, animals, tmp_path):
    """Files that are called as a run's are somebody's."""
    out = tmp_path / 'out'
    (out / 'drawn').mkdir(parents=True)
    shutil.copy(animals[1] / '5.png', out / 'drawn')
    for option in ((), ('--overwrite',)):
        with pytest.raises(CapekitError, match='drawn'):
            call(out, '--images', out / 'drawn', '--boxes', 'whole', *option)
    for content in ('[]', '{}', '{"state": "running"}', '{"state": "complete", "request": null}'):
        (tmp_path / 'other').mkdir(exist_ok=True)
        (tmp_path / 'other/run.json').write_text(content)
        for option in ((), ('--overwrite',)):
            with pytest.raises(CapekitError, match='run.json'):
                call(tmp_path / 'other', *option)
    assert (out / 'drawn/5.png').exists()


def test_a_run_of_an_earlier_version_is_said_to_have_other_options(tmp_path):
    run = output.RunFolder(tmp_path, dict(a=1))
    run.open()
    run.start()
    with pytest.raises(CapekitError, match='with other b'):
        output.RunFolder(tmp_path, dict(a=1, b=None))


def write_unusable(folder):
    path = folder / 'unusable.json'
    path.write_text(json.dumps(dict(images=[], annotations=[], categories=[
        dict(id=1, name='kite', keypoints=['a'], skeleton=[])])))
    return path


def test_a_file_that_a_kill_left_half_written_does_not_block_a_folder(call, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/.run.json.x.partial').write_text('{')
    call(tmp_path / 'out')
    assert not list((tmp_path / 'out').glob('.*'))


def test_images_that_came_and_went_while_a_run_was_interrupted(animals, tmp_path, monkeypatch):
    images = tmp_path / 'images'
    shutil.copytree(animals[1], images, ignore=shutil.ignore_patterns('film.avi', 'broken.png'))
    monkeypatch.setattr(sys, 'argv', ['label', '--labelled', str(animals[0]), '--images', str(images), '--adapt', '0',
                                      '--boxes', str(animals[2]), '--out', str(tmp_path / 'out')])
    original = output.RunFolder.append

    def append_once(self, group):
        original(self, group)
        raise KeyboardInterrupt
    monkeypatch.setattr(output.RunFolder, 'append', append_once)
    with pytest.raises(KeyboardInterrupt):
        label.main()
    monkeypatch.setattr(output.RunFolder, 'append', original)
    shutil.copy(images / '10.png', images / '0new.png')
    (images / '11.png').unlink()
    label.main()
    content = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert [image['file_name'] for image in content['images']] == [
        '0new.png', '10.png', *(f'{i}.png' for i in range(4, 10))]
    ids = [annotation['image_id'] for annotation in content['annotations']]
    assert len(ids) == len(set(ids)) == 7  # the boxes do not name the new one


def test_a_folder_in_use(call, tmp_path, monkeypatch):
    run = output.RunFolder(tmp_path / 'out', {})
    run.open()
    lock = output.Lock
    monkeypatch.setattr(output, 'Lock', lambda *args: (_ for _ in ()).throw(CapekitError('--out is in use')))
    with pytest.raises(CapekitError, match='in use'):
        call(tmp_path / 'out')
    monkeypatch.setattr(output, 'Lock', lock)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == [output.LOCK]


def test_names_that_figures_and_tables_must_bear(animals, tmp_path, monkeypatch):
    images = tmp_path / 'images'
    images.mkdir()
    for name in ('0.png', '1.png', '2.png', '3.png'):
        shutil.copy(animals[1] / name, images)
    for name in (b'a$_5^^_and_$x.png', b'caf\xe9.png', b'z.png'):
        shutil.copy(animals[1] / '5.png', images / os.fsdecode(name))
    cv2.imwrite(str(images / 'z.jpg'), cv2.imread(str(images / 'z.png')))
    out = tmp_path / 'out'
    monkeypatch.setattr(sys, 'argv', ['label', '--labelled', str(animals[0]), '--images', str(images), '--boxes',
                                      'whole', '--adapt', '0', '--draw', '--format', 'csv', '--out', str(out)])
    label.main()
    assert b'caf\xe9.png' in (out / 'review.csv').read_bytes()
    assert {path.name for path in (out / 'drawn').iterdir()} == {
        'a$_5^^_and_$x.png.jpg', os.fsdecode(b'caf\xe9.png.jpg'), 'z.png.jpg', 'z.jpg'}
    assert not (out / 'predictions.csv').exists()  # has no place for that name, which is said


def test_what_another_run_drew_is_not_labelled(animals, tmp_path, monkeypatch):
    images = tmp_path / 'images'
    shutil.copytree(animals[1], images, ignore=shutil.ignore_patterns('film.avi', 'broken.png', '??.png'))
    for out in ('first', 'second'):
        monkeypatch.setattr(sys, 'argv', ['label', '--labelled', str(animals[0]), '--images', str(images), '--boxes',
                                          'whole', '--adapt', '0', '--draw', '--out', str(images / out)])
        label.main()
    content = json.loads((images / 'second/predictions.json').read_text())
    assert [image['file_name'] for image in content['images']] == [f'{i}.png' for i in range(4, 10)]


def test_what_can_be_known_before_is_said_before(call, animals, tmp_path, monkeypatch):
    monkeypatch.setattr(label.CapeInferencer, 'fit', None)
    (tmp_path / 'file').write_text('')
    for boxes_, message in (({'a.png': [[1, 2, 0, 4]]}, 'boxes.json: a.png: box'),
                            ({'a.png': [['a', 'b', 'c', 'd']]}, 'boxes.json: a.png: box'),
                            ({'a.png': [[1, 2, 3, 4]]}, "boxes.json: of no image.*'a.png'")):
        (tmp_path / 'boxes.json').write_text(json.dumps(boxes_))
        with pytest.raises(CapekitError, match=message):
            call(tmp_path / 'out', '--boxes', tmp_path / 'boxes.json')
    film = animals[1] / 'gone.mp4'
    for options, message in ((('--animals', 0), '--animals 0'), (('--stride', 0), 'stride'),
                             (('--images', film), 'gone.mp4: not a video'), (('--out', tmp_path / 'file'), '--out')):
        with pytest.raises(CapekitError, match=message):
            call(tmp_path / 'out', *options)
    monkeypatch.setitem(sys.modules, 'tables', None)
    with pytest.raises(CapekitError, match=r'tables is not installed.*pip install tables'):
        call(tmp_path / 'out', '--format', 'dlc-h5')
    assert not (tmp_path / 'out').exists()
