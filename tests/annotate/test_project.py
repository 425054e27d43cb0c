"""A folder of images, and the changes that people make to its labels."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from capekit.annotate.project import Project, box_of
from capekit.errors import CapekitError


def test_images_in_the_order_of_their_numbers(project):
    assert project.images() == ['frame_1.png', 'frame_2.png', 'frame_10.png']


def test_labels_survive_closing(project, folder):
    project.set_animal('frame_1.png', 'a1', {'k1': [3.25, 4.5, 2]}, [1, 2, 30, 20])
    project.set_animal('frame_2.png', 'a1', {'k1': [1, 1, 2]})
    project.set_animal('frame_2.png', 'a1', {}, deleted=True)
    project.review('frame_10.png', 'p1', 'reject')
    project.close()
    again = Project(folder)
    assert again.state == project.state
    assert vars(again.state.animals['frame_1.png']['a1']) == dict(points={'k1': [3.25, 4.5, 2]}, box=[1, 2, 30, 20],
                                                                  origin='drawn')
    assert again.state.animals['frame_2.png'] == {} and again.state.decisions == {'frame_10.png': {'p1': 'reject'}}
    assert again.state.revision('frame_2.png', 'a1') == 2 and again.state.schema_revision == 1
    again.close()


def test_renaming_and_reordering_touch_no_label(project):
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2], 'k2': [30, 20, 1]})
    project.set_schema('mouse', [dict(id='k2', name='tail'), dict(id='k1', name='snout')], [['k1', 'k2']], [])
    content = project.coco()
    category = content['categories'][0]
    assert category['keypoints'] == ['tail', 'snout'] and category['skeleton'] == [[1, 0]]
    assert content['annotations'][0]['keypoints'] == [30, 20, 1, 3, 4, 2]


def test_a_removed_keypoint_comes_back_with_its_points(project):
    project.set_animal('frame_1.png', 'a1', {'k1': [3, 4, 2], 'k2': [30, 20, 2]})
    nose, tail = project.state.keypoints
    project.set_schema('mouse', [nose], [], [])
    assert project.coco()['annotations'][0]['keypoints'] == [3, 4, 2]
    project.set_animal('frame_1.png', 'a1', {'k1': [5, 4, 2], 'k2': [30, 20, 2]})  # others may be moved meanwhile
    project.set_schema('mouse', [nose, dict(id=None, name=tail['name'])], [], [])
    assert project.coco()['annotations'][0]['keypoints'] == [5, 4, 2, 30, 20, 2]


def test_a_new_keypoint_takes_no_id_that_was_ever_used(project):
    project.set_schema('mouse', [dict(id='k2', name='nose')], [], [])  # k1 was the nose, k2 is another point now
    new = [dict(id=None, name=name) for name in ('ear', 'tail base')]
    project.set_schema('mouse', [dict(id='k2', name='nose'), *new], [], [])
    assert [item['id'] for item in project.state.keypoints] == ['k2', 'k3', 'k4']


def test_digits_that_are_no_numbers(project):
    for name in ('x1²2.png', 'x٣.png'):
        (project.folder / 'frame_1.png').rename(project.folder / name)
        assert project.images()[-1] == name
        (project.folder / name).rename(project.folder / 'frame_1.png')


def test_a_journal_of_an_earlier_version(project, folder):
    """Its decisions came without the animal, which had a line of its own."""
    project._write(dict(op='review', image='frame_1.png', animal='p1', decision='accept'))
    project.close()
    again = Project(folder)
    assert again.state.decisions == {'frame_1.png': {'p1': 'accept'}} and again.state.animals == {}
    again.close()


@pytest.mark.parametrize(('change', 'message'), [
    (dict(image='../secret.png'), "'../secret.png' is not an image"),
    (dict(image='frame_3.png'), "'frame_3.png' is not an image"),
    (dict(points={'k9': [1, 1, 2]}), "'k9' is not a keypoint"),
    (dict(points={'k1': [1, 1]}), 'visibility'),
    (dict(points={'k1': [1, float('nan'), 2]}), 'visibility'),
    (dict(points={'k1': [1, True, 2]}), 'visibility'),
    (dict(points={'k1': [1, 1, 0]}), 'visibility 1 or 2'),
    (dict(points={'k1': [59.6, 1, 2]}), 'outside the image of 60 x 40'),
    (dict(box=[1, 1, 0, 5]), 'with an area'),
    (dict(animal='../x'), 'not the id of an animal'),
    (dict(origin='guess'), 'one of drawn, imported'),
])
def test_what_the_page_would_not_send_is_refused(project, change, message):
    valid = dict(image='frame_1.png', animal='a1', points={'k1': [59.5, -0.5, 2]}, box=None, origin='drawn')
    project.set_animal(**valid)
    with pytest.raises(CapekitError, match=message):
        project.set_animal(**{**valid, **change})
    assert project.state.animals == {'frame_1.png': {'a1': project.state.animals['frame_1.png']['a1']}}


@pytest.mark.parametrize(('keypoints', 'links', 'message'), [
    ([dict(id='k1', name='')], [], 'is not a name'),
    ([dict(id='k1', name='a\x1b[31m')], [], 'is not a name'),
    ([dict(id='k1', name='a'), dict(id='k2', name='a')], [], "name 'a' appears twice"),
    ([dict(id='k1', name='a')], [['k1', 'k1']], 'does not join two keypoints'),
    ([dict(id='k1', name='a')], [['k1', 'k2']], 'does not join two keypoints'),
])
def test_names_and_links_that_mean_nothing(project, keypoints, links, message):
    with pytest.raises(CapekitError, match=message):
        project.set_schema('mouse', keypoints, links, [])


def test_a_link_out_of_the_folder_is_refused(project, folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp('outside') / 'secret.png'
    cv2.imwrite(str(outside), np.zeros((4, 4, 3), np.uint8))
    os.symlink(outside, folder / 'link.png')
    with pytest.raises(CapekitError, match='outside the project'):
        project.path('link.png')


def test_sizes_are_those_that_a_viewer_shows(project, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (30, 20)).save(folder / 'turned.jpg', exif=exif)
    assert project.size('turned.jpg') == (20, 30)
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8nothing')
    with pytest.raises(CapekitError, match='broken.jpg: not a readable image'):
        project.size('broken.jpg')


def test_the_box_of_points_stays_in_the_image():
    assert box_of(np.array([[-90.0, 10.0], [-50.0, 30.0]]), (60, 40)) == [0, 2.0, 8.0, 36.0]
    assert box_of(np.array([[10.0, 10.0], [50.0, 30.0]]), (60, 40)) == [2.0, 2.0, 56.0, 36.0]


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CapekitError, match='no such folder'):
        Project(tmp_path / 'absent')
