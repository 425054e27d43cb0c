"""Which points of a prediction become those of which keypoint, and which animals are still open."""

import numpy as np
import pytest
from serving import record

from capekit.annotate.predicted import read_records, to_predict, to_records, undecided, unlabelled
from capekit.files import write_json
from capekit.labelling.records import PosePrediction


def prediction(image, animal=0, box=(0, 0, 20, 20), points=((3, 4), (5, 6)), source='found'):
    count = len(points)
    return PosePrediction(f'some/{image}', None, animal, np.array(box, float), np.array(points, float), np.ones(count),
                          np.ones(count), rank=1, box_from=source)


def test_points_go_by_the_ids_that_the_model_learned(project):
    project.set_schema('mouse', [dict(id='k2', name='tail'), dict(id='k9', name='ear')], [], [])  # k1 was removed
    one = to_records([prediction('frame_1.png')], ['k1', 'k2'], project)[0]
    assert one['points'] == {'k2': [5, 6, 2]} and set(one['scores']) == {'k2'}


def test_points_beyond_the_border_are_hidden(project):
    one = to_records([prediction('frame_1.png', points=[(-3, 4), (5, 6)])], ['k1', 'k2'], project)[0]
    assert one['points'] == {'k1': [-3, 4, 1], 'k2': [5, 6, 2]}


def test_a_labelled_animal_keeps_its_id(project):
    project.set_animal('frame_1.png', 'p1', {'k1': [3, 4, 2]})
    found = [prediction('frame_1.png'), prediction('frame_1.png', 1), prediction('frame_2.png')]
    assert [one['animal'] for one in to_records(found, ['k1', 'k2'], project)] == ['p2', 'p3', 'p1']


def test_an_image_is_predicted_again_until_each_animal_is_decided(project):
    records = [record('frame_1.png', 'p1', 0), record('frame_1.png', 'p2', 30), record('frame_2.png', 'p1', 0)]
    names = project.images()
    assert to_predict(names, records, project.state) == names
    project.review('frame_1.png', 'p1', 'accept', {'k1': [3, 10, 2]}, [0, 0, 20, 20])
    assert to_predict(names, records, project.state) == names
    assert undecided(records, project.state) == records[1:]
    found = [prediction('frame_1.png', box=(1, 0, 20, 20)), prediction('frame_1.png', 1, box=(30, 0, 20, 20))]
    assert unlabelled(found, project) == found[1:]
    project.review('frame_1.png', 'p2', 'reject')
    project.set_animal('frame_2.png', 'a1', {'k1': [3, 10, 2]})
    assert to_predict(names, records, project.state) == ['frame_10.png'] and not undecided(records, project.state)


@pytest.mark.parametrize(('points', 'left'), [({}, 1), ({'k1': [3, 4, 2]}, 0)])
def test_a_drawn_box_asks_for_one_animal_whatever_else_is_labelled(project, points, left):
    project.set_animal('frame_1.png', 'a1', {'k1': [40, 4, 2]})
    project.set_animal('frame_1.png', 'a2', points, [0, 0, 20, 20])
    assert len(undecided([record('frame_1.png', 'p1', 0, found='given')], project.state)) == left


def test_predictions_of_images_that_are_gone(project):
    write_json(project.own / 'predict.json', [record('frame_1.png', 'p1', 0), record('frame_2.png', 'p1', 0)])
    (project.folder / 'frame_1.png').unlink()
    assert [one['image'] for one in read_records(project, 'predict')] == ['frame_2.png']
