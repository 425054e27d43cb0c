"""Which labels people's files give, and what is refused."""

import json

import cv2
import numpy as np
import pytest
from animals import HEIGHT, WIDTH, coco, write_animals

from capekit.errors import CapekitError
from capekit.interop.labels import read, write
from capekit.labelling import supports
from capekit.labelling.supports import LEAST_BOX, read_labelled


def test_labels_of_people_count_and_predictions_do_not(tmp_path):
    path, images, truth = write_animals(tmp_path, count=4, labelled=4)
    content = json.loads(path.read_text())
    for annotation, status in zip(content['annotations'], ('predicted', 'rejected', 'corrected', None), strict=True):
        annotation['review'] = {'status': status} if status else {}
        annotation.pop('bbox')
    content['categories'].append(dict(id=7, name='unused', keypoints=['z'], skeleton=[]))
    path.write_text(json.dumps(content))
    supports = read_labelled(path, images).supports
    assert [support.name for support in supports] == ['2.png', '3.png']
    low = truth['2.png'].min(0)
    assert (supports[0].box[:2] < low).all() and (supports[0].box[:2] > low - 10).all()


def test_a_missing_image_and_two_categories_are_named(tmp_path):
    path, images, truth = write_animals(tmp_path, count=2, labelled=2)
    (images / '1.png').unlink()
    with pytest.raises(CapekitError, match='1.png'):
        read_labelled(path, images)
    content = coco(truth)
    content['categories'].append(dict(id=2, name='other', keypoints=['a', 'b', 'c', 'd'], skeleton=[]))
    content['annotations'][1]['category_id'] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(CapekitError, match="'kite'.*'other'"):
        read_labelled(path, images)


@pytest.mark.parametrize(('form', 'suffix'), [
    ('dlc', '.csv'), ('lp', '.csv'), ('csv', '.csv'), ('cvat-xml', '.xml'), ('cvat', '.json'),
    ('label-studio', '.json'), ('labelme', ''), ('slp', '.slp'), ('dlc-h5', '.h5')])
def test_labels_of_other_tools(tmp_path, form, suffix):
    for library in {'slp': ['h5py'], 'dlc-h5': ['pandas', 'tables']}.get(form, ()):
        pytest.importorskip(library)
    path, images, truth = write_animals(tmp_path, count=3, labelled=2)
    labels = read(path, 'coco')
    other = tmp_path / f'other{suffix}'
    write(other, form, labels)
    stated = {'lp': 'lp', 'dlc-h5': 'dlc-h5'}.get(form)  # the first looks like DeepLabCut's, the second like SLEAP's
    found = read_labelled(other, images, stated)
    assert sorted(found.names) == sorted(labels.keypoints)
    order = [found.names.index(name) for name in labels.keypoints]
    assert [support.name for support in found.supports] == ['0.png', '1.png']
    for support in found.supports:
        np.testing.assert_allclose(support.points[order], truth[support.name], atol=1e-4)


def test_a_folder_of_deeplabcut(tmp_path):
    path, images, truth = write_animals(tmp_path, count=3, labelled=2)
    labels = read(path, 'coco')
    write(images / 'CollectedData_me.csv', 'dlc', labels, scorer='me', folder='labeled-data/film')
    found = read_labelled(images, images)
    assert [support.name for support in found.supports] == ['0.png', '1.png']
    np.testing.assert_allclose(found.supports[1].points, truth['1.png'], atol=1e-4)


def test_what_cannot_be_learned_from_is_named(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    labels = read(path, 'coco')
    labels.images[0].frame = 3
    write(tmp_path / 'frames.csv', 'csv', labels)
    with pytest.raises(CapekitError, match='frame 3 of 0.png is labelled; only images can be learned from'):
        read_labelled(tmp_path / 'frames.csv', images)
    (tmp_path / 'notes.txt').write_text('nothing')
    with pytest.raises(CapekitError, match=r'notes.txt: of no format .* \(--labelled-format\)'):
        read_labelled(tmp_path / 'notes.txt', images)
    with pytest.raises(CapekitError, match='gone.csv'):
        read_labelled(tmp_path / 'gone.csv', images)
    path.write_text('{')
    with pytest.raises(CapekitError, match='labelled.json'):
        read_labelled(path, images)


def test_predictions_that_are_left_out_are_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(supports, 'print_log', lambda line, *_: told.append(line))
    path, images, _ = write_animals(tmp_path, count=3, labelled=3)
    content = json.loads(path.read_text())
    content['annotations'][0]['review'] = dict(status='predicted')
    path.write_text(json.dumps(content))
    assert len(read_labelled(path, images).supports) == 2
    assert len(told) == 1 and '1 animals that a model predicted and nobody accepted' in told[0]
    for annotation in content['annotations']:
        annotation['review'] = dict(status='predicted')
    path.write_text(json.dumps(content))
    with pytest.raises(CapekitError, match="3 animals that a model predicted.*'status'"):
        read_labelled(path, images)


def renamed(path, names) -> None:
    content = json.loads(path.read_text())
    for image, name in zip(content['images'], names, strict=True):
        image['file_name'] = str(name)
    path.write_text(json.dumps(content))


def test_an_image_of_another_film_is_another_image(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    film = tmp_path / 'labeled-data/film1'
    film.parent.mkdir()
    images.rename(film)
    renamed(path, ['labeled-data/film2/0.png', 'labeled-data/film1/1.png'])
    with pytest.raises(CapekitError, match='labeled-data/film2/0.png'):
        read_labelled(path, film)
    renamed(path, ['labeled-data/film1/0.png', 'labeled-data/film1/1.png'])
    assert [support.name for support in read_labelled(path, film).supports] == ['0.png', '1.png']
    renamed(path, ['a/0.png', 'b/1.png'])
    assert [support.name for support in read_labelled(path, film).supports] == ['0.png', '1.png']
    renamed(path, ['a/0.png', 'b/0.png'])
    with pytest.raises(CapekitError, match='a/0.png and b/0.png would both be 0.png'):
        read_labelled(path, film)


def test_each_name_loses_its_own_folders_only(tmp_path):
    path, images, _ = write_animals(tmp_path, count=3, labelled=2)
    (images / 'a').mkdir()
    (images / '2.png').rename(images / 'a/1.png')
    renamed(path, ['a/1.png', 'a/0.png'])
    assert [support.name for support in read_labelled(path, images).supports] == ['a/1.png', '0.png']
    renamed(path, ['x/0.png', 'x/y/1.png'])
    assert [support.name for support in read_labelled(path, images).supports] == ['0.png', '1.png']


def test_a_box_without_an_area_is_none(tmp_path):
    path, images, truth = write_animals(tmp_path, count=2, labelled=2)
    content = json.loads(path.read_text())
    content['annotations'][1]['bbox'] = [10, 10, 50, 0]
    path.write_text(json.dumps(content))
    assert (read_labelled(path, images).supports[1].box[:2] < truth['1.png'].min(0)).all()


def test_absolute_names_are_those_of_the_folder(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    renamed(path, [images / '0.png', images / '1.png'])
    assert [support.name for support in read_labelled(path, images).supports] == ['0.png', '1.png']


def test_an_image_of_another_size_than_the_file_says(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    turned = cv2.imread(str(images / '1.png')).transpose(1, 0, 2)
    cv2.imwrite(str(images / '1.png'), turned)
    with pytest.raises(CapekitError, match='1.png.*swapped'):
        read_labelled(path, images)


def test_a_single_keypoint_has_a_box_that_can_be_searched_for(tmp_path):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        del annotation['bbox']
    content['annotations'][0]['keypoints'] = [80, 60, 2] + [0] * 9
    path.write_text(json.dumps(content))
    box = read_labelled(path, images).supports[0].box
    side = LEAST_BOX * WIDTH
    np.testing.assert_allclose(box, [80 - side / 2, 60 - side / 2, side, side])


@pytest.mark.parametrize('box', [[10, 10, -50, 20], [0, 0, 1e9, 1e9], [1e5, 1e5, 20, 20],
                                 [WIDTH + 1, HEIGHT, 20, 20]])
def test_a_box_that_is_not_of_an_animal_in_the_image(tmp_path, box):
    path, images, _ = write_animals(tmp_path, count=2, labelled=2)
    content = json.loads(path.read_text())
    content['annotations'][1]['bbox'] = box
    path.write_text(json.dumps(content))
    with pytest.raises(CapekitError, match='1.png'):
        read_labelled(path, images)


def test_one_of_several_categories(tmp_path):
    path, images, truth = write_animals(tmp_path, count=2, labelled=2)
    content = coco(truth)
    content['categories'].append(dict(id=2, name='other', keypoints=['a', 'b', 'c', 'd'], skeleton=[]))
    content['annotations'][1]['category_id'] = 2
    path.write_text(json.dumps(content))
    assert read_labelled(path, images, category='other').names == ('a', 'b', 'c', 'd')
