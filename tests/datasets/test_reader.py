"""Data that is read wrong elsewhere: each kind is an error of one line, or a reading that is announced.

Every case is read by the data set and by the audit, which must agree.
"""

import json
import math

import numpy as np
import pytest
from coco_files import HEIGHT, WIDTH, content, write
from hypothesis import given, settings
from hypothesis import strategies as st
from two_readers import read_both

from capekit.datasets import MP100Dataset
from capekit.datasets.audit import audit

NAN = math.nan


def changed(**keys) -> dict:
    """A file whose second annotation of category 'cup' has other values."""
    data = content()
    data['annotations'][1].update(keys)
    return data


def keypoints(**places) -> list:
    """Keypoints of annotation 101, some values replaced by their place: v1=..., or p7=... ."""
    values = [20.0, 20.0, 2, 25.0, 22.0, 2, 22.0, 30.0, 1]
    for place, value in places.items():
        values[int(place[1:])] = value
    return values


# Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('data, expected', [
    (b'', 'is empty'), (b' \n', 'is empty'), (b'[' * 100_000, 'cannot be read'),
    (b'[' + b'1' * 5000 + b']', 'cannot be read'), (b'\xff\xfe\x00', 'invalid JSON'),
    (b'{"images": [', 'line 1'), (b'null', "'images' is missing"),
    (b'{"images": null, "annotations": [], "categories": []}', "'images' is missing"),
    (b'{"images": {}, "annotations": [], "categories": []}', "'images' is missing"),
    (b'{"images": [], "annotations": [7], "categories": []}', 'annotations[0]'),
    (b'{"images": [], "annotations": [], "categories": []}', 'no usable instance')])
def test_what_is_no_keypoint_file(tmp_path, data, expected):
    path = tmp_path / 'a.json'
    path.write_bytes(data)
    message = read_both([path])
    assert 'a.json' in message and expected in message


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(b'\xef\xbb\xbf' + json.dumps(content()).encode())
    assert len(read_both([path])) == 8


def test_a_folder_in_place_of_the_file(tmp_path):
    assert 'cannot read' in read_both([tmp_path])


# Ids --------------------------------------------------------------------------------------------------------------


WRONG_IDS = ['1', 1.0, 1.5, None, True, -1, 2 ** 63, [1], {}, NAN, 10 ** 400]


@pytest.mark.parametrize('value', WRONG_IDS, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize('kind, place, key', [
    ('images', 2, 'id'), ('categories', 0, 'id'), ('annotations', 1, 'id'), ('annotations', 1, 'image_id'),
    ('annotations', 1, 'category_id')])
def test_ids_are_whole_numbers(read, kind, place, key, value):
    data = content()
    data[kind][place][key] = value
    message = read(data)
    assert f'a.json: {kind}[{place}] has {key} ' in message and 'whole number' in message


def test_category_ids_as_strings_in_both_places(read):
    data = content()
    for record in (*data['categories'], *data['annotations']):
        key = 'id' if 'name' in record else 'category_id'
        record[key] = str(record[key])
    assert "categories[0] has id \"1\"" in read(data)


def test_an_image_id_twice(read):
    data = content()
    data['images'][3]['id'] = data['images'][2]['id']
    message = read(data)
    assert 'images[3] has the id 102 of images[2]' in message and 'cup/3.jpg' in message and 'cup/2.jpg' in message
    data = content()
    data['images'].append(dict(data['images'][2]))  # word for word: one image
    assert len(read(data)) == 8


def test_a_category_twice(read):
    data = content()
    data['categories'].append(dict(data['categories'][0], keypoints=['a', 'b', 'c']))
    assert 'categories[2] has the id 1 of categories[0]: keypoints is' in read(data)
    data['categories'][2] = dict(data['categories'][0])
    assert len(read(data)) == 8


def test_a_category_that_files_describe_differently(read):
    other = content()
    other['categories'][0]['keypoints'] = ['c', 'b', 'a']
    assert "'cup' (id 1) has other keypoints here" in read(content(), other)


# Annotations twice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize('id_', [100, 900])
def test_an_annotation_twice_counts_once(read, id_):
    data = content()
    data['annotations'].append(dict(data['annotations'][0], id=id_))
    dataset = read(data)
    assert len(dataset) == 8
    assert dataset.notes == [note for note in dataset.notes if f'annotation {id_} repeats annotation 100' in note] != []


def test_an_annotation_of_an_image_listed_twice_counts_once(read):
    data = content()
    data['images'].append(dict(data['images'][0], id=900))
    data['annotations'].append(dict(data['annotations'][0], id=901, image_id=900))
    dataset = read(data)
    assert len(dataset) == 8 and 'annotation 901 repeats annotation 100' in dataset.notes[0]


def test_one_point_at_the_same_place_may_be_two_objects(read):
    data = content([(1, 'dot', 1)])
    data['annotations'].append(dict(data['annotations'][0], id=900, bbox=[0, 0, 60, 50]))
    assert len(read(data)) == 5
    data['annotations'].append(dict(data['annotations'][0], id=901))
    assert len(read(data)) == 5


def test_an_id_of_two_annotations(read):
    data = content()
    data['annotations'][1]['id'] = 100
    message = read(data)
    assert 'annotation 100' in message and 'id of another annotation in the same file' in message


def test_ids_that_restart_in_the_second_file(read):
    other = content(seed=1)
    for image in other['images']:
        image['file_name'] = f'other/{image["file_name"]}'
    message = read(content(), other)
    assert 'b.json: annotation 100 (other/cup/0.jpg)' in message and 'a.json (cup/0.jpg)' in message
    assert '7 more like this' in message
    assert len(read(content(), content())) == 8  # the same records


# Images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('key', ['width', 'height'])
@pytest.mark.parametrize('value', ['80', None, 0, -5, 80.5, True, NAN, math.inf, [80]], ids=str)
def test_sizes_are_whole_numbers(read, key, value):
    data = content()
    data['images'][2][key] = value
    message = read(data)
    assert f'a.json: images[2] (id 102) has {key} ' in message and 'whole number of pixels' in message


def test_sizes_may_be_written_as_floats(read):
    data = content()
    data['images'][2]['width'] = 80.0
    assert len(read(data)) == 8


@pytest.mark.parametrize('name', ['', ' ', None, 3, 'a\0b', '\ud800.jpg', ['a.jpg']], ids=repr)
def test_names_of_images(read, name):
    data = content()
    data['images'][2]['file_name'] = name
    assert 'images[2] (id 102) has file_name' in read(data)


@pytest.mark.parametrize('name', ['../a.jpg', 'cup/../../a.jpg', '/etc/a.jpg', 'C:\\a.jpg', '..\\a.jpg', 'C:/a.jpg'])
def test_names_that_lead_out_of_the_folder(read, name):
    data = content()
    data['images'][2]['file_name'] = name
    message = read(data)
    assert 'image 102' in message and "outside_images='read'" in message
    assert len(read(data, outside_images='read')) == 8


def test_names_are_printed_escaped(read, tmp_path):
    data = content()
    data['categories'][0]['name'] = 'cup\x1b[2J'
    data['images'][2]['file_name'] = '../\x1b[31mred\nerror: none.jpg'
    assert r'../\x1b[31mred\nerror: none.jpg' in read(data)
    text = audit([tmp_path / 'a.json'], queries=1).text()
    assert '\x1b' not in text and r'cup\x1b[2J' in text


def test_backslashes_are_slashes(read):
    data = content()
    data['images'][2]['file_name'] = 'cup\\2.jpg'
    dataset = read(data)
    assert dataset.instance(2)['image_file'] == 'cup/2.jpg' and 'backslashes in 1 file names' in dataset.notes[0]


# Boxes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('box', [
    [1, 2, 3], [1, 2, 3, 4, 5], ['1', '2', '30', '40'], [1, 2, None, 4], [1, 2, NAN, 4], [1, 2, math.inf, 4], 7,
    [True, 1, 2, 3], '', {}, [[1, 2], [3, 4]], [0.1, 0.2, 0.3, 0.4], [10 ** 400, 1, 2, 3]],
    ids=lambda box: str(box)[:15])
def test_boxes_are_four_numbers(read, box):
    message = read(changed(bbox=box))
    assert 'a.json: annotation 101 has bbox' in message and '[x, y, width, height]' in message


@pytest.mark.parametrize('keys, reason', [
    (dict(bbox=[5, 5, 0, 20]), 'box of width or height 0 or less'), (dict(bbox=[25, 25, -20, -20]), 'box of width or'),
    (dict(area=0), 'area 0 or less'), (dict(bbox=None), 'no box'), (dict(bbox=[100, 5, 10, 10]), 'box empty inside'),
    (dict(num_keypoints=0), 'num_keypoints is 0 although keypoints are labelled'),
    (dict(keypoints=None), 'no keypoints'), (dict(keypoints=[5.0, 5.0, 0] * 3), 'no labelled keypoint'),
    (dict(iscrowd=1), 'crowd'), (dict(iscrowd=True), 'crowd')])
def test_what_does_not_count_is_announced(read, keys, reason):
    data = content([(1, 'cup', 3)])
    data['annotations'][1].update(keys)
    dataset = read(data)
    assert len(dataset) == 3
    assert f'1 annotation(s) do not count: {reason}' in dataset.notes[0]
    assert 'of 4; first: 101 in a.json' in dataset.notes[0]
    for annotation in data['annotations']:
        annotation.update(keys)
    assert f'no usable instance ({reason}' in read(data)


def corners(data: dict) -> dict:
    for annotation in data['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x, y, x + w, y + h]
    return data


@pytest.mark.parametrize('per_category', [4, 12])
def test_boxes_as_corners(read, per_category):
    data = corners(content(per_category=per_category))
    message = read(data)
    assert 'look like corners' in message and "box_format='xyxy'" in message
    assert np.allclose(read(data, box_format='xyxy').bboxes, read(content(per_category=per_category)).bboxes)
    assert len(read(data, box_format='xywh')) == 2 * per_category


def test_boxes_as_corners_that_stay_inside_their_image(read):
    data = corners(content(per_category=12))
    for image in data['images']:
        image.update(width=200, height=200)
    assert 'look like corners' in read(data)


def test_boxes_that_leave_their_image_are_clipped(read):
    assert len(read(changed(bbox=[10, 10, 200, 200], keypoints=[70.0, 50.0, 2] * 3))) == 8


@pytest.mark.parametrize('key, values', [
    ('area', ['9', NAN, True, [9], math.inf]), ('iscrowd', ['0', '1', 2, 0.0, [], NAN]),
    ('num_keypoints', ['3', -1, 3.0, True, []])])
def test_other_values_of_the_wrong_type(read, key, values):
    for value in values:
        message = read(changed(**{key: value}))
        assert f'a.json: annotation 101 has {key} ' in message and 'expected' in message
    assert len(read(changed(**{key: None}))) == 8


# Keypoints --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('values, expected', [
    ([[20.0, 20.0, 2], [25.0, 22.0, 2], [22.0, 30.0, 1]], 'nested lists'), ({'0': 1}, 'flat list'),
    ('1 2 2', 'flat list'),
    ([str(v) for v in keypoints()], 'keypoint value "20.0"'), (keypoints(p2=True), 'keypoint value true'),
    ([20.0, 20.0, 25.0, 22.0, 22.0, 30.0], 'x, y pairs without visibility?'), (keypoints()[:-1], '8 keypoint values'),
    (keypoints(p2=3), 'visibility 3 at keypoint 0'), (keypoints(p5=-1), 'visibility -1 at keypoint 1'),
    (keypoints(p5=0.7), 'visibility 0.7'), (keypoints(p5=None), 'non-finite keypoint, number 1'),
    (keypoints(p3=NAN), 'non-finite keypoint, number 1'), (keypoints(p3=None), 'non-finite keypoint, number 1'),
    (keypoints(p0=math.inf), 'non-finite keypoint, number 0'), (keypoints(p0=10 ** 400), 'non-finite')],
    ids=lambda value: str(value)[:24])
def test_keypoints_that_are_none(read, values, expected):
    message = read(changed(keypoints=values))
    assert 'a.json: annotation 101 has' in message and expected in message and "'cup' (id 1)" in message


@pytest.mark.parametrize('missing', [NAN, None, math.inf])
def test_an_unlabelled_keypoint_needs_no_coordinates(read, missing):
    dataset = read(changed(keypoints=keypoints(p3=missing, p4=missing, p5=0)))
    assert dataset.instance(1)['keypoints'].tolist() == [[20, 20, 2], [0, 0, 0], [22, 30, 1]]


def test_values_other_than_visibility_by_setting(read):
    assert read(changed(keypoints=keypoints(p2=0.7, p5=3, p8=-1)), visibility='positive').instance(1)['keypoints'][
        :, 2].tolist() == [0.7, 3, -1]


def test_pairs_of_a_category_without_names(read):
    data = content([(1, 'cup', 6)])
    del data['categories'][0]['keypoints']
    for annotation in data['annotations']:
        del annotation['keypoints'][2::3]
    assert 'x, y pairs without visibility?' in read(data)


def in_fractions(data: dict) -> dict:
    for annotation in data['annotations']:
        points = np.reshape(annotation['keypoints'], (-1, 3))
        annotation['keypoints'] = (points / (WIDTH, HEIGHT, 1)).ravel().tolist()
    return data


def test_normalised_keypoints(read):
    assert 'fractions of the image?' in read(in_fractions(content()))
    data = content([(1, 'dot', 1)])
    assert 'fractions of the image?' in read(in_fractions(data))
    one = content()
    one['annotations'][1]['keypoints'] = [0.3, 0.4, 2, 0.1, 0.9, 2, 0.2, 0.7, 1]
    message = read(one)
    assert 'annotation 101' in message and 'in 1 of 4' in message


def test_keypoints_off_their_boxes(read):
    data = content()
    data['annotations'][1]['keypoints'] = [75.0, 55.0, 2, 76.0, 55.0, 2, 77.0, 56.0, 2]
    data['annotations'][1]['bbox'] = [1, 1, 20, 20]
    dataset = read(data)
    assert 'annotation 101: no labelled keypoint lies in its box, in 1 of 4' in dataset.notes[0]
    data['annotations'][2].update(keypoints=data['annotations'][1]['keypoints'], bbox=[1, 1, 20, 20])
    assert 'in 2 of 4 annotations' in read(data)


def test_another_number_of_labelled_keypoints_is_remarked(tmp_path):
    path = write(tmp_path / 'a.json', changed(num_keypoints=1, keypoints=keypoints()))
    assert any('another num_keypoints' in note for note in audit([path], queries=1).notes)
    assert len(MP100Dataset(path)) == 8


# Categories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('keys, expected', [
    (dict(name=None), 'has name null'), (dict(name=''), 'has name'), (dict(keypoints=3), 'list of names'),
    (dict(keypoints=[1, 2, 3]), 'list of names')])
def test_broken_categories(read, keys, expected):
    data = content()
    data['categories'][1].update(keys)
    message = read(data)
    assert 'a.json: categories[1] (id 2)' in message and expected in message


def test_a_category_without_annotations_is_left_out(read, tmp_path):
    data = content()
    data['categories'].insert(0, dict(id=0, name='objects', supercategory='none'))
    dataset = read(data)
    assert list(dataset.categories) == [1, 2] and "left out: category 'objects' (id 0)" in dataset.notes[0]
    # Asked for by its id, it stays.
    assert list(MP100Dataset(tmp_path / 'a.json', categories=[0, 1]).categories) == [0, 1]


def test_faults_of_categories_that_are_not_read_do_no_harm(tmp_path):
    path = write(tmp_path / 'a.json', changed(bbox='none'))
    assert len(MP100Dataset(path, categories=[2])) == 4
    assert audit([path], queries=1, categories=[2]).clean


# Whatever comes ---------------------------------------------------------------------------------------------------


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=4)
                      | st.sampled_from([2 ** 70, 10 ** 309, 1e308, '../x']),
                      lambda inner: (st.lists(inner, max_size=4)
                                     | st.dictionaries(st.text(max_size=3), inner, max_size=2)), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(['images', 'annotations', 'categories']), st.integers(0, 1), st.data())
def test_any_value_anywhere_is_read_or_refused(tmp_path_factory, kind, place, data):
    broken = content(per_category=3)
    record = broken[kind][place]
    key = data.draw(st.sampled_from([*record, None]))
    value = data.draw(VALUES)
    if key is None:
        broken[kind][place] = value
    else:
        record[key] = value
    read_both([write(tmp_path_factory.mktemp('any') / 'a.json', broken)])
