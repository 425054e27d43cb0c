"""labelme, Label Studio and CVAT's XML: lists of marks that belong to animals."""

import json

import numpy as np
import pytest

from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelledImage, LabelSet, read, write


def _json(tmp_path, content, name='labels.json'):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def two():
    """Two animals in one image, one of them with a hidden keypoint."""
    return LabelSet([LabelledImage('sub dir/a.jpg', (200, 100), [
        Animal([[10, 20], [30, 40]], [2, 1], box=[5, 15, 40, 40]), Animal([[110.5, 20], [np.nan, np.nan]],
                                                                          box=[100, 10, 50, 50])])],
        ['tail', 'head'], category='fly')


def test_labelme_file_as_labelme_writes_it(two, tmp_path):
    write(tmp_path, 'labelme', two)
    content = json.loads((tmp_path / 'sub dir/a.json').read_text())
    assert (content['imagePath'], content['imageData'], content['imageHeight'], content['imageWidth']) == (
        'a.jpg', None, 100, 200)
    assert [shape['shape_type'] for shape in content['shapes']] == ['rectangle', 'point', 'point', 'rectangle', 'point']
    assert content['shapes'][2] == dict(label='head', points=[[30, 40]], group_id=0, shape_type='point',
                                        flags={'hidden': True}, description='', mask=None)
    assert content['shapes'][3]['points'] == [[100, 10], [150, 60]]


def test_labelme_files_elsewhere_name_their_images(two, tmp_path, announced):
    write(tmp_path / 'json', 'labelme', two, images=str(tmp_path / 'frames'))
    content = json.loads((tmp_path / 'json/sub dir/a.json').read_text())
    assert content['imagePath'] == '../../frames/sub dir/a.jpg'
    labels = read(tmp_path / 'json', 'labelme')
    assert labels.images[0].file == '../frames/sub dir/a.jpg'
    assert labels.keypoints == ('tail', 'head')
    assert 'first appearance, tail, head' in announced[-1]


@pytest.mark.parametrize('format', ['labelme', 'label-studio'])
def test_the_category_of_animals_without_boxes_comes_back(format, tmp_path, announced):
    labels = LabelSet([LabelledImage('a.jpg', (9, 9), [Animal([[1, 2]])]), LabelledImage('b.jpg', (9, 9))], ['x'],
                      category='fly')
    write(tmp_path / 'labels', format, labels)
    assert not announced
    assert read(tmp_path / 'labels', format, keypoints=['x']).category == 'fly'


def test_several_categories_in_labelme_and_label_studio_are_announced(tmp_path, announced):
    for category, name in (('fly', 'a'), ('bee', 'b')):
        write(tmp_path / 'labels', 'labelme', LabelSet([LabelledImage(f'{name}.jpg', (9, 9), [
            Animal([[1, 2]], box=[0, 0, 5, 5])])], ['x'], category=category))
    boxes = [_item('rectanglelabels', name, name, [0, 0, 9, 9]) for name in ('bee', 'fly')]
    tasks = _json(tmp_path, _tasks(dict(result=boxes)), 'tasks.json')
    for path, format in ((tmp_path / 'labels', 'labelme'), (tasks, 'label-studio')):
        announced.clear()
        assert read(path, format, keypoints=['x']).category == 'animal'
        assert announced == [f"{path}: of several categories, bee, fly; read as one, 'animal'"]


def test_reads_labelme_without_groups(tmp_path, announced):
    point = dict(label='snout', points=[[1.5, 2]], shape_type='point')
    polygon = dict(label='cage', points=[[1, 2], [3, 4], [5, 6]], shape_type='polygon')
    path = _json(tmp_path, dict(version='5.0.1', flags={}, shapes=[point, polygon, point | dict(label='tail')],
                                imagePath='..\\frames\\a.png', imageHeight=50, imageWidth=60), 'x/a.json')
    labels = read(path, 'labelme')
    assert labels.images[0].file == '../frames/a.png'
    assert labels.images[0].size == (60, 50)
    assert len(labels.images[0].animals) == 1
    assert '1 shapes that are neither points nor rectangles are left out' in announced[0]
    path = _json(tmp_path, dict(shapes=[point, point], imagePath='a.png'))
    with pytest.raises(CapekitError, match=r"shapes\[1\]: a second 'snout' of the same animal in a\.png"):
        read(path, 'labelme')


@pytest.mark.parametrize(('shape', 'message'), [
    (dict(label='a', points=[[1, 2]]), 'has not all of'),
    (dict(label='a', points=[[1, 2], [3, 4]], shape_type='point'), 'is a point with 2 points; expected 1'),
    (dict(label='a', points=[['1;2', 2]], shape_type='point'), "'1;2' is not a number"),
    (dict(label=7, points=[[1, 2]], shape_type='point'), '7 is not a name'),
    (dict(label='a', points=[[1]], shape_type='point'), 'points that are not pairs'),
    (dict(label='a', points=[[None, 1]], shape_type='point'), "'a' has no coordinates"),
])
def test_what_is_wrong_with_a_labelme_file(shape, message, tmp_path):
    with pytest.raises(CapekitError, match=rf'labels\.json: shapes\[0\].*{message}'):
        read(_json(tmp_path, dict(shapes=[shape], imagePath='a.png')), 'labelme')


def test_labelme_never_overwrites_unasked_or_leaves_its_folder(two, tmp_path):
    write(tmp_path, 'labelme', two)
    with pytest.raises(CapekitError, match=r'a\.json: is there already'):
        write(tmp_path, 'labelme', two)
    write(tmp_path, 'labelme', two, overwrite=True)
    for names, message in ((['../a.jpg'], 'not inside'), (['a.jpg', 'a.png'], 'the file of both')):
        labels = LabelSet([LabelledImage(name, (9, 9), [Animal([[1, 2]])]) for name in names], ['x'])
        with pytest.raises(CapekitError, match=message):
            write(tmp_path / 'other', 'labelme', labels)
        assert not (tmp_path / 'other').exists()


def _item(kind, id_, label, values, **more):
    value = dict(zip(('x', 'y', 'width', 'height'), values, strict=False)) | {kind: [label]}
    return dict(id=id_, type=kind, from_name='kp', to_name='image', original_width=200, original_height=100,
                image_rotation=0, value=value) | more


def _tasks(*annotations):
    return [dict(data={'image': 'a'}, annotations=list(annotations))]


def test_reads_label_studio_by_relation_then_by_the_nearest_box(tmp_path, announced):
    result = [_item('rectanglelabels', 'b1', 'fly', [0, 0, 50, 100]),
              _item('rectanglelabels', 'b2', 'fly', [60, 0, 40, 100]),
              _item('keypointlabels', 'p1', 'tail', [10, 20, 0.5]),
              _item('keypointlabels', 'p2', 'tail', [52, 20, 0.5]),
              _item('keypointlabels', 'p3', 'head', [56, 30, 0.5]),
              _item('keypointlabels', 'p4', 'head', [70, 30, 0.5]),
              dict(type='relation', from_id='b2', to_id='p2', direction='right')]
    result[-2]['parentID'] = 'b1'
    path = _json(tmp_path, [dict(data={'image': '/data/local-files/?d=sub%20dir/a%2B.jpg'}, annotations=[
        dict(result=[], was_cancelled=True), dict(result=result)])])
    labels = read(path, 'label-studio', keypoints=['tail', 'head'])
    image, = labels.images
    assert (image.file, image.size, labels.category) == ('sub dir/a+.jpg', (200, 100), 'fly')
    first, second = image.animals
    np.testing.assert_allclose(first.points, [[20, 20], [140, 30]])
    np.testing.assert_allclose(second.points, [[104, 20], [112, 30]])
    assert first.box.tolist() == [0, 0, 100, 100]
    assert not announced


@pytest.mark.parametrize(('address', 'file'), [
    ('/data/upload/3/4f5-a%20b.jpg', 'upload/3/4f5-a b.jpg'), ('https://host/x/a.jpg', 'x/a.jpg'),
    ('s3://bucket/x/a.jpg', 'x/a.jpg'), ('x/a%20b.jpg', 'x/a%20b.jpg')])
def test_label_studio_addresses(address, file, tmp_path):
    path = _json(tmp_path, [dict(data={'image': address}, completions=[
        dict(result=[_item('keypointlabels', 'p', 'tail', [50, 50, 1])])])])
    assert read(path, 'label-studio').images[0].file == file


def test_label_studio_file_has_percent_and_relations(two, tmp_path, announced):
    write(tmp_path / 'tasks.json', 'label-studio', two)
    task, = json.loads((tmp_path / 'tasks.json').read_text())
    assert task['data'] == {'image': '/data/local-files/?d=sub%20dir/a.jpg', 'category': 'fly'}
    assert task['predictions'] == []
    result = task['annotations'][0]['result']
    assert [item['type'] for item in result] == ['rectanglelabels', 'keypointlabels', 'relation', 'keypointlabels',
                                                 'relation', 'rectanglelabels', 'keypointlabels', 'relation']
    assert result[1]['value'] == dict(x=5, y=20, width=0.5, keypointlabels=['tail'])
    assert result[0]['value'] == dict(x=2.5, y=15, width=20, height=40, rectanglelabels=['fly'])
    assert result[2] == dict(type='relation', from_id=result[1]['id'], to_id=result[0]['id'], direction='right')
    assert 'hidden flags (1)' in announced[0]


def test_scores_make_predictions_of_label_studio(tmp_path):
    labels = LabelSet([LabelledImage('a.jpg', (10, 10), [Animal([[1, 2]], scores=[0.5], score=0.25)])], ['x'])
    write(tmp_path / 'tasks.json', 'label-studio', labels, prefix='')
    task, = json.loads((tmp_path / 'tasks.json').read_text())
    assert (task['data']['image'], task['annotations'], task['predictions'][0]['score']) == ('a.jpg', [], 0.25)
    back = read(tmp_path / 'tasks.json', 'label-studio').images[0].animals[0]
    assert (back.scores.tolist(), back.score) == ([0.5], 0.25)


@pytest.mark.parametrize(('content', 'message'), [
    ({}, 'not an export of Label Studio'),
    ([dict(id=7)], "task 7 has no 'data'"),
    ([dict(data={'img': 'a'})], "task 0: its 'data' has no 'image', and the keys img"),
    (_tasks({}), "an answer has no list 'result'"),
    (_tasks(dict(result=[_item('keypointlabels', 'p', 'x', [1])])), 'incomplete'),
    (_tasks(dict(result=[_item('keypointlabels', 'p', 'x', [1, 1], image_rotation=90)])), 'was rotated'),
    (_tasks(dict(result=[_item('keypointlabels', id_, 'x', [1, 1]) for id_ in 'ab'])), "a second 'x' of the same"),
])
def test_what_is_wrong_with_a_label_studio_file(content, message, tmp_path):
    with pytest.raises(CapekitError, match=rf'labels\.json: .*{message}'):
        read(_json(tmp_path, content), 'label-studio')


CVAT = '''<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>
    <label><name>fly</name><type>skeleton</type></label>
    <label><name>tail</name><type>points</type><parent>fly</parent></label>
    <label><name>head</name><type>points</type><parent>fly</parent></label>
  </labels></task></meta>
  <image id="0" name="a.jpg" width="200" height="100">
    <skeleton label="fly" source="manual" z_order="0">
      <points label="head" source="manual" outside="0" occluded="1" points="1.50,2.25" z_order="0"></points>
      <points label="tail" source="manual" outside="1" occluded="0" points="0.00,0.00" z_order="0"></points>
    </skeleton>
    <box label="cage" source="manual" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"></box>
  </image>
  <image id="1" name="b.jpg" width="200" height="100"></image>
</annotations>
'''


def test_reads_cvat_xml(tmp_path, announced):
    (tmp_path / 'a.xml').write_text(CVAT)
    labels = read(tmp_path / 'a.xml', 'cvat-xml')
    assert (labels.keypoints, labels.category) == (('tail', 'head'), 'fly')
    assert [(image.file, image.size, len(image.animals)) for image in labels.images] == [
        ('a.jpg', (200, 100), 1), ('b.jpg', (200, 100), 0)]
    np.testing.assert_array_equal(labels.images[0].animals[0].points, [[np.nan, np.nan], [1.5, 2.25]])
    assert labels.images[0].animals[0].visibility.tolist() == [0, 1]
    assert '1 shapes that are not skeletons are left out' in announced[0]


@pytest.mark.parametrize(('change', 'message'), [
    (('</annotations>', ''), 'cannot be read as XML'),
    (('annotations>', 'other>'), 'not an export'),
    (('<image id="1"', '<track/><image id="1"'), 'not an export'),
    (('1.50,2.25', '1.50'), r"image 'a.jpg': a keypoint has points='1.50'; expected x,y"),
    (('width="200"', 'width="wide"'), "image 'a.jpg': 'wide' is not a number"),
    (('label="fly"', 'label="bee"'), "no category 'fly'"),
])
def test_what_is_wrong_with_a_cvat_xml_file(change, message, tmp_path):
    (tmp_path / 'a.xml').write_text(CVAT.replace(*change))
    with pytest.raises(CapekitError, match=rf'a\.xml: .*{message}'):
        read(tmp_path / 'a.xml', 'cvat-xml', category='fly')
