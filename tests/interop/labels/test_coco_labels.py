"""COCO and CVAT's COCO: pycocotools, sleap-io and our own data set read what we write; the numbering of links."""

import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from coco_files import content, write_images

from capekit.datasets import MP100Dataset
from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelledImage, LabelSet, read, write


def _file(tmp_path, data, name='labels.json'):
    (tmp_path / name).write_text(json.dumps(data))
    return tmp_path / name


def _cups(skeleton, count=3):
    data = content(categories=((1, 'cup', count),), per_category=2)
    data['categories'][0]['skeleton'] = skeleton
    return data


def test_pycocotools_reads_our_file(flies, tmp_path, capsys):
    from pycocotools.coco import COCO
    flies.images[0].animals[0].box = np.array([1, 2, 30, 40.5])
    flies.images[0].animals[0].scores = np.array([0.5, np.nan, 1])
    write(tmp_path / 'labels.json', 'coco', flies)
    coco = COCO(str(tmp_path / 'labels.json'))
    category, = coco.loadCats(coco.getCatIds())
    assert (category['name'], category['keypoints']) == ('fly', ['tail', 'head', 'leg'])
    assert category['skeleton'] == [[0, 1], [1, 2]]
    images = coco.loadImgs(sorted(coco.getImgIds()))
    assert [image['file_name'] for image in images] == [image.file for image in flies.images]
    annotation, = coco.loadAnns(coco.getAnnIds(imgIds=[images[0]['id']]))
    np.testing.assert_allclose(annotation['keypoints'], [1.25, 2.5, 2, 0, 0, 0, 30.125, 40.75, 2], atol=1e-6)
    assert (annotation['num_keypoints'], annotation['bbox']) == (2, [1, 2, 30, 40.5])
    assert annotation['keypoint_scores'] == [0.5, None, 1]
    assert not coco.getAnnIds(imgIds=[images[2]['id']])


def test_sleap_io_reads_our_file_with_links_from_1(flies, tmp_path):
    sleap_io = pytest.importorskip('sleap_io')
    for image in flies.images:
        image.file = image.file.split('/')[-1]
        (tmp_path / image.file).write_bytes(b'')
    write(tmp_path / 'labels.json', 'coco', flies, skeleton_base=1)
    labels = sleap_io.load_file(str(tmp_path / 'labels.json'), format='coco')
    assert labels.skeleton.node_names == ['tail', 'head', 'leg']
    assert labels.skeleton.edge_inds == [(0, 1), (1, 2)]
    np.testing.assert_allclose(labels[0].instances[0].numpy(), flies.images[0].animals[0].points, atol=1e-6)


def test_our_data_set_reads_our_file(flies, tmp_path):
    write(tmp_path / 'labels.json', 'coco', flies)
    dataset = MP100Dataset(str(tmp_path / 'labels.json'))
    category = next(iter(dataset.categories.values()))
    assert (category.name, category.keypoint_names) == ('fly', ('tail', 'head', 'leg'))
    assert category.links.tolist() == [[0, 1], [1, 2]]
    assert len(dataset) == 2


@pytest.mark.parametrize(('skeleton', 'options', 'links'), [
    ([[0, 1], [1, 2]], {}, [[0, 1], [1, 2]]),
    ([[0, 1], [1, 2]], {'skeleton_base': 0}, [[0, 1], [1, 2]]),
    ([[1, 2], [2, 3]], {'skeleton_base': 1}, [[0, 1], [1, 2]]),
    ([[1, 2]], {'skeleton_base': 1}, [[0, 1]]),
    ([[1, 2]], {'skeleton_base': 0}, [[1, 2]]),
    ([], {}, []),
])
def test_links_count_from_what_is_said(skeleton, options, links, tmp_path, announced):
    assert read(_file(tmp_path, _cups(skeleton)), 'coco', **options).links.tolist() == links
    assert not announced


def test_links_that_fit_both_are_announced(tmp_path, announced):
    path = _file(tmp_path, _cups([[1, 2]]))
    assert read(path, 'coco').links.tolist() == [[1, 2]]
    assert "the skeleton of 'cup' may count from 0 or from 1; taken from 0" in announced[0]
    assert read(path, 'cvat').links.tolist() == [[0, 1]]
    assert 'taken from 1' in announced[1]


def test_links_that_fit_one_base_are_read_so(tmp_path, announced):
    path = _file(tmp_path, _cups([[1, 2], [2, 3]]))
    assert read(path, 'coco').links.tolist() == [[0, 1], [1, 2]]
    assert "the skeleton of 'cup' counts from 1, and is read so" in announced[0]
    path = _file(tmp_path, _cups([[0, 1]]))
    assert read(path, 'cvat').links.tolist() == [[0, 1]]
    assert "the skeleton of 'cup' counts from 0, and is read so" in announced[1]


def test_our_own_files_say_what_links_count_from(flies, tmp_path, announced):
    flies.links = np.array([[1, 2]])
    for base in (0, 1):
        write(tmp_path / f'{base}.json', 'coco', flies, skeleton_base=base)
        announced.clear()
        assert read(tmp_path / f'{base}.json', 'coco').links.tolist() == [[1, 2]]
        assert not announced


@pytest.mark.parametrize(('change', 'message'), [
    (lambda d: d['categories'][0].update(skeleton=[[0, 3]]), 'goes from 0 to 3, which does not count 3 keypoints'),
    (lambda d: d['categories'][0].update(skeleton=[[1, '2']]), 'not pairs of keypoint numbers'),
    (lambda d: d['annotations'][0].update(keypoints=[1, 2, 2]), 'annotation 100 has 3 keypoint values; expected'),
    (lambda d: d['annotations'][0].update(keypoints=[1, 2, 5] * 3), r'annotation 100 has v = \[5.0'),
    (lambda d: d['annotations'][0].update(keypoints=['a', 2, 2] * 3), "annotation 100: 'a' is not a number"),
    (lambda d: d['annotations'][0].update(keypoints=[10 ** 400, 2, 2] * 3), 'annotation 100: 10+ is not a number'),
    (lambda d: d['categories'][0].update(skeleton=[[0, 10 ** 20]]), 'OverflowError'),
    (lambda d: d['annotations'][0].update(animal=5), 'annotation 100: name is 5; expected text'),
    (lambda d: d['images'][0].update(frame='1'), "frame '1' is not a whole number"),
    (lambda d: d['annotations'][0].update(bbox=[1, 2]), r'annotation 100 has bbox \[1, 2\]'),
    (lambda d: d['annotations'][0].update(keypoint_scores=[1]), r'annotation 100: scores have shape \(1,\)'),
    (lambda d: d['annotations'][0].update(image_id=7), 'annotation 100 is of image 7'),
    (lambda d: d['annotations'][0].update(review='no'), 'not a file of the format COCO keypoints JSON .AttributeError'),
    (lambda d: d['annotations'][0].update(image_id=[]), 'not a file of the format COCO keypoints JSON .TypeError'),
    (lambda d: d['images'][1].update(id=100), 'has the id 100 of'),
    (lambda d: d['categories'][0].update(keypoints=['a', 'a', 'b']), "the keypoint name 'a' appears twice"),
])
def test_what_is_wrong_with_a_file_is_one_line(change, message, tmp_path):
    data = _cups([])
    change(data)
    with pytest.raises(CapekitError, match=rf'labels\.json: .*{message}'):
        read(_file(tmp_path, data), 'coco')


def test_a_category_is_chosen_by_name_or_id(tmp_path):
    path = _file(tmp_path, content())
    with pytest.raises(CapekitError, match=r"several categories .*; valid: 'cup' \(id 1\), 'bird'"):
        read(path, 'coco')
    with pytest.raises(CapekitError, match="no category 'fish'"):
        read(path, 'coco', category='fish')
    for category in ('bird', 2, '2'):
        labels = read(path, 'coco', category=category)
        assert (labels.category, len(labels), len(labels.keypoints)) == ('bird', 4, 4)


def test_what_is_left_out_or_made_up_is_announced(tmp_path, announced):
    data = _cups([])
    del data['categories'][0]['keypoints']
    data['annotations'][0]['iscrowd'] = 1
    data['annotations'][1]['keypoints'][:3] = [5, 6, 0]
    labels = read(_file(tmp_path, data), 'coco')
    assert labels.keypoints == ('keypoint_0', 'keypoint_1', 'keypoint_2')
    assert labels.images[1].animals[0].visibility[0] == 0
    assert any('1 crowds' in line for line in announced)
    assert any('keypoint names' in line for line in announced)
    assert any('1 keypoints have coordinates and v = 0' in line for line in announced)
    for animal in [animal for _, animal in labels.animals]:
        animal.box = None
    write(tmp_path / 'out.json', 'coco', labels)
    assert '1 animals have no box; written with one around their keypoints' in announced[-1]


def test_review_frames_and_names_come_back(tmp_path):
    animal = Animal([[1, 2], [3, 4]], [1, 2], [0.5, 0.25], [3, np.nan], [0, 0, 9, 9], 0.75, 'mus', 'predicted', 4)
    write(tmp_path / 'p.json', 'coco', LabelSet([LabelledImage('v.mp4', (10, 12), [animal], 3)], ['a', 'b']))
    annotation = json.loads((tmp_path / 'p.json').read_text())['annotations'][0]
    assert annotation['review'] == dict(status='predicted', rank=4)
    image, = read(tmp_path / 'p.json', 'coco').images
    back, = image.animals
    assert (image.file, image.frame, back.name, back.status, back.rank) == ('v.mp4', 3, 'mus', 'predicted', 4)
    np.testing.assert_array_equal(back.errors, [3, np.nan])


def test_sizes_are_read_from_the_images(tmp_path):
    data = _cups([])
    write_images(tmp_path, data)
    labels = LabelSet([LabelledImage(image['file_name'], None, [Animal([[1, 2]])]) for image in data['images']], ['x'])
    with pytest.raises(CapekitError, match=r'cup/0\.jpg: its size is not known .*--images DIR'):
        write(tmp_path / 'labels.json', 'coco', labels)
    write(tmp_path / 'labels.csv', 'csv', labels)
    labels = read(tmp_path / 'labels.csv', 'csv', images=tmp_path)
    assert {image.size for image in labels.images} == {(80, 60)}
    (tmp_path / 'cup/1.jpg').unlink()
    with pytest.raises(CapekitError, match=r'cup/1\.jpg: cannot read the image file .No such file'):
        read(tmp_path / 'labels.csv', 'csv', images=tmp_path)


def test_cvat_file_and_zip(flies, tmp_path):
    flies.images[0].animals[0].visibility[0] = 1
    write(tmp_path / 'labels.json', 'cvat', flies)
    data = json.loads((tmp_path / 'labels.json').read_text())
    assert data['categories'][0]['skeleton'] == [[1, 2], [2, 3]]
    assert data['annotations'][0]['keypoints'][2::3] == [1, 0, 2]
    assert set(data['info']) == {'description'} and 'animal' not in data['annotations'][0]
    with zipfile.ZipFile(tmp_path / 'export.zip', 'w') as file:
        file.write(tmp_path / 'labels.json', 'annotations/person_keypoints_default.json')
        file.writestr('annotations/person_keypoints_Train.json', '{')
    with pytest.raises(CapekitError, match=r'export\.zip: the zip file has the subsets default, Train'):
        read(tmp_path / 'export.zip', 'cvat')
    labels = read(tmp_path / 'export.zip', 'cvat', subset='default')
    assert labels.links.tolist() == [[0, 1], [1, 2]]
    assert labels.images[0].animals[0].visibility.tolist() == [1, 0, 2]
    with pytest.raises(CapekitError, match=r'export\.zip: annotations/person_keypoints_Train\.json: invalid JSON'):
        read(tmp_path / 'export.zip', 'cvat', subset='Train')
    with pytest.raises(CapekitError, match='subset='):
        read(tmp_path / 'labels.json', 'cvat', subset='Train')


@pytest.mark.parametrize('before', [b'', b'#!/bin/sh\n'], ids=['plain', 'with something before it'])
def test_a_zip_file_that_unpacks_to_far_more_than_it_is_is_refused(before, tmp_path, monkeypatch):
    path = tmp_path / 'export.zip'
    path.write_bytes(before)
    with zipfile.ZipFile(path, 'a', zipfile.ZIP_DEFLATED) as file:
        file.writestr('annotations/person_keypoints_default.json', ' ' * 2 ** 24 + '{}')
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', '0.01')
    with pytest.raises(CapekitError, match=r'export\.zip: 0\.0 MB that unpacks to 16\.8 MB is refused.*_UNPACKED_GIB'):
        read(path, 'cvat')


def test_a_zip_file_that_states_less_than_it_holds_is_not_unpacked_further(tmp_path, monkeypatch):
    path = tmp_path / 'export.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('annotations/person_keypoints_default.json', ' ' * 2 ** 26)
    path.write_bytes(path.read_bytes().replace((2 ** 26).to_bytes(4, 'little'), (100).to_bytes(4, 'little')))
    tracemalloc.start()
    with pytest.raises(CapekitError, match=r'export\.zip: cannot be read as a zip file'):
        read(path, 'cvat')
    assert tracemalloc.get_traced_memory()[1] < 2 ** 24
    tracemalloc.stop()


def test_a_damaged_zip_file_is_one_line(flies, tmp_path):
    write(tmp_path / 'labels.json', 'cvat', flies)
    path = tmp_path / 'export.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.write(tmp_path / 'labels.json', 'annotations/person_keypoints_default.json')
    whole, start = path.read_bytes(), 30 + len('annotations/person_keypoints_default.json')
    for place in range(start, start + 200):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1:])
        with pytest.raises(CapekitError, match=r'export\.zip: '):
            read(path, 'cvat')


def test_the_images_of_an_export_do_not_count(flies, tmp_path, monkeypatch):
    write(tmp_path / 'labels.json', 'cvat', flies)
    with zipfile.ZipFile(tmp_path / 'export.zip', 'w', zipfile.ZIP_DEFLATED) as file:
        file.write(tmp_path / 'labels.json', 'annotations/person_keypoints_default.json')
        file.writestr('images/default/a.bmp', bytes(2 ** 24))
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', '0.01')
    assert len(read(tmp_path / 'export.zip', 'cvat')) == 3


def test_real_annotations_come_back(shared, tmp_path):
    path = shared / 'data/realpose/annotations/realpose_test.json'
    labels = read(path, 'coco', category='fly_body', skeleton_base=0)
    data = json.loads(path.read_text())
    record = next(record for record in data['categories'] if record['name'] == 'fly_body')
    known = [annotation['keypoints'] for annotation in data['annotations'] if annotation['category_id'] == record['id']]
    write(tmp_path / 'labels.json', 'coco', labels)
    back = [annotation['keypoints'] for annotation in json.loads((tmp_path / 'labels.json').read_text())['annotations']]
    assert labels.keypoints == tuple(record['keypoints'])
    assert labels.links.tolist() == record['skeleton']
    first, second = (np.array(sorted(values)).reshape(len(known), -1, 3) for values in (known, back))
    np.testing.assert_array_equal(first[..., 2], second[..., 2])
    np.testing.assert_allclose(first * (first[..., 2:] > 0), second, atol=1e-6)
