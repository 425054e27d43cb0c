"""Labels of other tools are taken over image by image, and nothing is left out in silence."""

import json
import os

import pytest
from serving import record

from capekit.annotate.exchange import Exchange
from capekit.errors import CapekitError
from capekit.files import write_json


def coco(files, animals, names=('nose', 'tail base')):
    """A file's bytes; `animals` are (image number, flat keypoints, more keys)."""
    return json.dumps(dict(
        images=[dict(id=number, file_name=name, width=60, height=40) for number, name in enumerate(files, 1)],
        annotations=[dict(id=number, image_id=image, category_id=1, iscrowd=0, keypoints=points,
                          **dict(dict(bbox=[1, 1, 30, 30], area=900), **more))
                     for number, (image, points, more) in enumerate(animals, 1)],
        categories=[dict(id=1, name='mouse', keypoints=list(names), skeleton=[])])).encode()


@pytest.fixture
def exchange(project):
    return Exchange(project)


def written(exchange, name='coco'):
    """The annotations of an export, and its notes."""
    answer = exchange.export([name])
    path = exchange.exported(answer['files'][0])
    return json.loads(path.read_text())['annotations'], answer['notes']


TWO = [1, 1, 2, 2, 2, 2]


def test_a_bad_point_leaves_out_its_image_and_says_so(exchange, project):
    content = coco(['frame_1.png', 'frame_2.png', 'frame_10.png'], [
        (1, TWO, {}), (2, TWO, {}), (2, [61, 1, 2, 2, 2, 2], {}), (3, TWO, dict(bbox=[0, 0, 0, 0]))])
    answer = exchange.import_labels('theirs.json', content)
    assert answer['text'] == '2 animals imported; not imported:'
    assert answer['refused'] == [
        'frame_2.png: k1 at [61.0, 1.0] lies outside the image of 60 x 40; only a hidden point may']
    assert set(project.state.animals) == {'frame_1.png', 'frame_10.png'}
    assert project.state.animals['frame_10.png']['a1'].box is None  # a box without an area is none
    corrected = coco(['frame_1.png', 'frame_2.png'], [(1, TWO, {}), (2, TWO, {})])
    answer = exchange.import_labels('theirs.json', corrected)  # of the same name
    assert answer['refused'] == ['frame_1.png: has labels here, which stay'] and len(project.state.animals) == 3
    assert sorted(path.name for path in (project.own / 'imports').iterdir()) == ['theirs.json', 'theirs_2.json']


def test_what_nobody_has_confirmed_is_no_label(exchange, project):
    states = ('predicted', 'rejected', 'accepted')
    content = coco(['frame_1.png', 'frame_2.png', 'frame_10.png'],
                   [(number, TWO, dict(review=dict(status=state))) for number, state in enumerate(states, 1)])
    answer = exchange.import_labels('theirs.json', content)
    assert answer['text'].startswith('1 animals imported') and len(answer['refused']) == 2
    assert set(project.state.animals) == {'frame_10.png'}


def test_names_that_may_be_two_images_are_refused(exchange, project):
    content = coco(['a/frame_1.png', 'b/frame_1.png', 'c/frame_2.png', 'frame_7.png'],
                   [(1, TWO, {}), (2, TWO, {}), (3, TWO, {}), (4, TWO, {})])
    assert exchange.import_labels('theirs.json', content)['refused'] == [
        'frame_7.png: not in the folder', 'frame_1.png: may be a/frame_1.png or b/frame_1.png']
    assert set(project.state.animals) == {'frame_2.png'}


def test_an_image_of_a_folder_below_is_another_one(exchange, project):
    (project.folder / 'sub').mkdir()
    (project.folder / 'sub' / 'frame_1.png').write_bytes((project.folder / 'frame_1.png').read_bytes())
    answer = exchange.import_labels('theirs.json', coco(['sub/frame_1.png'], [(1, TWO, {})]))
    assert answer['refused'] == ['sub/frame_1.png: not in the folder'] and not project.state.animals


def test_a_broken_file_is_not_kept(exchange, project):
    with pytest.raises(CapekitError, match='^theirs.json: of no format') as caught:
        exchange.import_labels('theirs.json', b'{oops')
    assert '--from' in str(caught.value) and 'capekit convert-labels' in str(caught.value)
    assert exchange.import_labels('theirs.json', coco(['frame_1.png'], [(1, TWO, {})]))['text'] == '1 animals imported'
    assert sorted(path.name for path in project.own.iterdir()) == ['changes.jsonl', 'imports']


def test_labels_without_image_sizes_need_no_other_image(exchange, project):
    table = 'scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\nlabeled-data/film/frame_1.png,3,4\nabsent/x.png,1,1\n'
    answer = exchange.import_labels('CollectedData_me.csv', table.encode())
    assert answer == dict(text='1 animals imported; not imported:', refused=['absent/x.png: not in the folder'])


def test_an_import_never_takes_the_id_of_a_removed_keypoint(exchange, project):
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2]})
    project.set_schema('mouse', [], [], [])
    exchange.import_labels('theirs.json', coco(['frame_2.png'], [(1, TWO, {})], ['ear', 'nose']))
    assert project.state.keypoints == [dict(id='k3', name='ear'), dict(id='k1', name='nose')]
    assert project.coco()['annotations'][0]['keypoints'] == [0, 0, 0, 3, 4, 2]  # the nose is back


def test_of_two_animals_one_may_be_decided(exchange, project):
    write_json(project.own / 'predict.json', [record('frame_1.png', 'p1', 0), record('frame_1.png', 'p2', 30)])
    assert len(written(exchange)[0]) == 2
    project.review('frame_1.png', 'p1', 'accept', {'k1': [3, 10, 2], 'k2': [5, 5, 2]}, [0, 0, 20, 20])
    assert [each['review']['status'] for each in written(exchange)[0]] == ['accepted', 'predicted']
    project.review('frame_1.png', 'p2', 'reject')
    assert [each['review']['status'] for each in written(exchange)[0]] == ['accepted']
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2]})
    assert len(written(exchange)[0]) == 2


def test_who_labels_an_image_by_hand_has_seen_all_of_it(exchange, project):
    write_json(project.own / 'predict.json', [record('frame_1.png', 'p1', 0)])
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2]})
    assert [each['review']['status'] for each in written(exchange)[0]] == ['drawn']


def test_images_with_a_problem_are_left_out_and_named(exchange, project, tmp_path_factory):
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2]})
    (project.folder / 'frame_4.png').write_bytes(b'nothing')
    outside = tmp_path_factory.mktemp('outside') / 'frame_5.png'
    outside.write_bytes((project.folder / 'frame_1.png').read_bytes())
    os.symlink(outside, project.folder / 'frame_5.png')
    annotations, notes = written(exchange)
    assert len(annotations) == 1 and len(notes) == 2
    assert 'frame_4.png: not a readable image' in notes[0] and 'frame_5.png' in notes[1] and 'outside' in notes[1]
    assert [image['file_name'] for image in project.coco()['images']] == ['frame_1.png', 'frame_2.png', 'frame_10.png']


def test_a_point_beyond_the_border_is_hidden_in_coco(exchange, project):
    project.review('frame_1.png', 'p1', 'accept', {'k1': [-3.25, 10, 2], 'k2': [5, 5, 2]}, [0, 0, 20, 20])
    assert written(exchange)[0][0]['keypoints'] == [-3.25, 10, 1, 5, 5, 2]


def test_hdf5_names_what_the_page_can_do(exchange):
    with pytest.raises(CapekitError, match='convert-labels'):
        exchange.import_labels('x.h5', b'\x89HDF\r\n\x1a\n' + bytes(100))


def test_formats_are_named(exchange):
    with pytest.raises(CapekitError, match="format 'xml': one of coco"):
        exchange.export(['xml'])
