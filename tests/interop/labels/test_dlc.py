"""DeepLabCut's and Lightning Pose's tables: pandas reads ours, and we read what pandas and they write."""

import os
import pickle

import numpy as np
import pytest

from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelledImage, LabelSet, read, write

THREE_COLUMNS = '''\
scorer,,,me,me,me,me
bodyparts,,,snout,snout,leftear,leftear
coords,,,x,y,x,y
labeled-data,vid,img001.png,1.5,2,3.0,4.0
labeled-data,vid,img002.png,,,5,6.25
'''
ONE_COLUMN = '''\
scorer,Mackenzie,Mackenzie,Mackenzie,Mackenzie
bodyparts,Hand,Hand,Finger1,Finger1
coords,x,y,x,y
labeled-data\\reachingvideo1\\img005.png,185.25,12,,
'''
INDIVIDUALS = '''\
scorer,,,me,me,me,me,me,me
individuals,,,a,a,b,b,single,single
bodyparts,,,snout,snout,snout,snout,corner,corner
coords,,,x,y,x,y,x,y
labeled-data,vid,img001.png,1,2,3,4,5,6
labeled-data,vid,img002.png,,,7,8,5,6
'''
PREDICTIONS = '''\
scorer,net,net,net,net,net,net
bodyparts,snout,snout,snout,leftear,leftear,leftear
coords,x,y,likelihood,x,y,likelihood
0,12.3,45.6,0.93,1,2,0.5
1,13.3,46.6,0.03,1,2,1.0
'''
LIGHTNING_POSE = '''\
scorer,heatmap_tracker,heatmap_tracker,heatmap_tracker,set
bodyparts,paw,paw,paw,
coords,x,y,likelihood,
labeled-data/v/img01.png,1,2,0.5,train
'''


def _file(tmp_path, text, name='labels.csv'):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_reads_both_layouts_of_image_names(tmp_path):
    labels = read(_file(tmp_path, THREE_COLUMNS), 'dlc')
    assert labels.keypoints == ('snout', 'leftear')
    assert [image.file for image in labels.images] == ['labeled-data/vid/img001.png', 'labeled-data/vid/img002.png']
    np.testing.assert_array_equal(labels.images[1].animals[0].points, [[np.nan, np.nan], [5, 6.25]])
    assert labels.images[1].animals[0].visibility.tolist() == [0, 2]
    labels = read(_file(tmp_path, ONE_COLUMN), 'dlc')
    assert labels.keypoints == ('Hand', 'Finger1')
    assert labels.images[0].file == 'labeled-data/reachingvideo1/img005.png'


def test_reads_individuals_and_announces_unique_parts(tmp_path, announced):
    labels = read(_file(tmp_path, INDIVIDUALS), 'dlc')
    assert labels.keypoints == ('snout',)
    assert [[animal.name for animal in image.animals] for image in labels.images] == [['a', 'b'], ['b']]
    assert 'unique body parts corner' in announced[0]


def test_reads_predictions_by_frame(tmp_path):
    path = _file(tmp_path, PREDICTIONS, 'clipnet.csv')
    labels = read(path, 'dlc')
    assert [image.key for image in labels.images] == [('clip', 0), ('clip', 1)]
    assert labels.images[1].animals[0].scores.tolist() == [0.03, 1.0]
    assert read(path, 'dlc', video='videos/clip.mp4').images[0].file == 'videos/clip.mp4'


def test_what_spreadsheets_and_pandas_make_of_a_table(tmp_path):
    """A byte order mark, carriage returns, rows without content; frames as 1.0; points outside the image stay."""
    lines = PREDICTIONS.splitlines()
    lines[3:] = ['0.0,-5,1e6,0.5,3,4,1', ',,,,,,', '1.0,1,2,0.5,3,4,1', ',,,,,,']
    path = _file(tmp_path, '\ufeff' + '\r\n'.join(lines), 'clipnet.csv')
    images = read(path, 'dlc').images
    assert [image.key for image in images] == [('clip', 0), ('clip', 1)]
    assert [image.animals[0].points.tolist() for image in images] == [[[-5, 1e6], [3, 4]], [[1, 2], [3, 4]]]


def test_a_table_without_rows_has_no_images(tmp_path):
    labels = read(_file(tmp_path, ''.join(THREE_COLUMNS.splitlines(True)[:3])), 'dlc')
    assert (len(labels), labels.keypoints) == (0, ('snout', 'leftear'))


def test_reads_lightning_pose_with_its_set_column(tmp_path):
    labels = read(_file(tmp_path, LIGHTNING_POSE), 'lp')
    assert (labels.keypoints, labels.images[0].file) == (('paw',), 'labeled-data/v/img01.png')
    assert labels.images[0].animals[0].scores.tolist() == [0.5]


@pytest.mark.parametrize(('text', 'message'), [
    ('a,b\n1,2\n', r"labels\.csv: the first cells of its lines are 'a', '1'; expected scorer"),
    (THREE_COLUMNS.replace('1.5', 'left'), r"labels\.csv: line 4, column 4: 'left' is not a number"),
    (THREE_COLUMNS.replace(',2,', ',,'), "img001.png: 'snout' has only one of x and y"),
    (THREE_COLUMNS.replace('x,y,x,y', 'x,y,x'), 'the header coords has 6 cells; expected 7'),
    ('scorer\nbodyparts\ncoords\n', 'no body parts'),
    (THREE_COLUMNS.replace('3.0,4.0', '3.0'), 'line 4 has 6 cells; expected 7'),
    (THREE_COLUMNS.replace('me,me\n', 'me,you\n'), 'several scorers, me, you'),
    (THREE_COLUMNS.replace('leftear', 'snout'), 'the column me, snout, x appears twice'),
    (THREE_COLUMNS.replace('x,y,x,y', 'x,y,x,z'), "no column for y of body part 'leftear'"),
    (THREE_COLUMNS + THREE_COLUMNS.splitlines()[3] + '\n', 'img001.png appears twice'),
    (THREE_COLUMNS.replace('img001.png', ''), 'line 4: no image or frame'),
    (THREE_COLUMNS.replace(',', ';'), "first cells .*'scorer;.*commas between cells"),
    (THREE_COLUMNS.replace('1.5', '"1,5"'), "line 4, column 4: '1,5' is not a number"),
    (THREE_COLUMNS.replace('1.5', '1_5'), "line 4, column 4: '1_5' is not a number"),
    (THREE_COLUMNS.replace('1.5', '-inf'), "line 4, column 4: '-inf' is not a finite number"),
    (PREDICTIONS + PREDICTIONS.splitlines()[-1] + '\n', 'frame 1 appears twice'),
    ('', 'expected scorer'), ('\n\n', 'expected scorer'),
])
def test_what_is_wrong_with_a_table_is_one_line(tmp_path, text, message):
    with pytest.raises(CapekitError, match=message):
        read(_file(tmp_path, text), 'dlc')


def test_pandas_reads_our_labels_as_deeplabcut_does(flies, tmp_path):
    pandas = pytest.importorskip('pandas')
    write(tmp_path / 'labels.csv', 'dlc', flies, scorer='me')
    assert (tmp_path / 'labels.csv').read_text().splitlines()[3].split(',')[0] == 'labeled-data'
    table = pandas.read_csv(tmp_path / 'labels.csv', header=[0, 1, 2], index_col=[0, 1, 2])
    assert list(table.columns.names) == ['scorer', 'bodyparts', 'coords']
    assert list(table.columns) == [('me', part, coord) for part in ('tail', 'head', 'leg') for coord in 'xy']
    assert list(table.index) == [('labeled-data', 'flies', f'{name}.png') for name in 'bac']
    np.testing.assert_allclose(table.to_numpy()[1], [3, 4, 1 / 3, 2 / 3, 7, 8], atol=1e-6)
    assert table.isna().to_numpy().sum(1).tolist() == [2, 0, 6]


def test_pandas_reads_our_lightning_pose_labels(flies, tmp_path, announced):
    pandas = pytest.importorskip('pandas')
    write(tmp_path / 'CollectedData.csv', 'lp', flies)
    table = pandas.read_csv(tmp_path / 'CollectedData.csv', header=[0, 1, 2], index_col=0)
    assert list(table.index) == [image.file for image in flies.images]
    assert list(table.columns.get_level_values('bodyparts').unique()) == ['tail', 'head', 'leg']
    np.testing.assert_allclose(table.to_numpy()[0][[0, 1, 4, 5]], [1.25, 2.5, 30.125, 40.75], atol=1e-6)
    assert not [line for line in announced if 'DeepLabCut expects' in line]


def test_pandas_reads_our_predictions_with_a_row_for_every_frame(clip, tmp_path):
    pandas = pytest.importorskip('pandas')
    write(tmp_path / 'clip.csv', 'dlc', clip)
    table = pandas.read_csv(tmp_path / 'clip.csv', header=[0, 1, 2, 3], index_col=0)
    assert table.index.tolist() == [0, 1, 2]
    assert list(table.columns.names) == ['scorer', 'individuals', 'bodyparts', 'coords']
    assert table.columns.get_level_values('individuals').tolist() == ['mus'] * 9 + ['ratte'] * 9
    np.testing.assert_allclose(table.to_numpy()[0, :3], [10.5, 20.25, 0.9])
    np.testing.assert_allclose(table.to_numpy()[:, 15:], [[37, 5, 0.5], [np.nan] * 3, [39, 5, 0.5]])


@pytest.mark.parametrize('name', ['flies', 'clip'])
def test_pandas_reads_our_h5(name, request, tmp_path):
    pandas = pytest.importorskip('pandas')
    pytest.importorskip('tables')
    labels = request.getfixturevalue(name)
    write(tmp_path / 'labels.h5', 'dlc-h5', labels)
    table = pandas.read_hdf(tmp_path / 'labels.h5', key='df_with_missing')
    write(tmp_path / 'labels.csv', 'dlc', labels)
    header = list(range(table.columns.nlevels))
    same = pandas.read_csv(tmp_path / 'labels.csv', header=header, index_col=[0, 1, 2] if name == 'flies' else 0)
    pandas.testing.assert_frame_equal(table, same, check_index_type=False, check_column_type=False, check_names=False)
    assert list(table.columns.names) == list(same.columns.names)
    assert {str(dtype) for dtype in table.dtypes} == {'float64'}


@pytest.mark.parametrize('index', [[('labeled-data', 'v', 'a.png'), ('labeled-data', 'v', 'b.png')],
                                   ['labeled-data\\v\\a.png', 'labeled-data\\v\\b.png'], [0, 1]])
def test_reads_an_h5_that_pandas_wrote(index, tmp_path):
    pandas = pytest.importorskip('pandas')
    pytest.importorskip('tables')
    columns = pandas.MultiIndex.from_product([['me'], ['tail', 'head'], ['x', 'y']],
                                             names=['scorer', 'bodyparts', 'coords'])
    rows = pandas.MultiIndex.from_tuples(index) if isinstance(index[0], tuple) else index
    table = pandas.DataFrame([[1, 2, 3, 4.5], [np.nan, np.nan, 5, 6]], index=rows, columns=columns)
    table.to_hdf(tmp_path / 'vme.h5', key='df_with_missing', mode='w')
    labels = read(tmp_path / 'vme.h5', 'dlc-h5')
    assert labels.keypoints == ('tail', 'head')
    assert [image.key for image in labels.images] == ([('v', 0), ('v', 1)] if index == [0, 1] else [
        ('labeled-data/v/a.png', None), ('labeled-data/v/b.png', None)])
    assert labels.images[0].animals[0].points.tolist() == [[1, 2], [3, 4.5]]
    assert labels.images[1].animals[0].visibility.tolist() == [0, 2]


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('place', ['attribute of the table', 'attribute of the root', 'attribute of an array', 'rows'])
@pytest.mark.parametrize('protocol', [0, 4])
def test_nothing_in_an_h5_is_executed(place, protocol, tmp_path):
    tables = pytest.importorskip('tables')
    pandas = pytest.importorskip('pandas')
    path, marker = tmp_path / 'labels.h5', tmp_path / 'marker'
    columns = pandas.MultiIndex.from_product([['me'], ['tail'], ['x', 'y']], names=['scorer', 'bodyparts', 'coords'])
    pandas.DataFrame([[1.0, 2.0]], index=['a.png'], columns=columns).to_hdf(path, key='df_with_missing', mode='w')
    attack = np.bytes_(pickle.dumps(Harmful(marker), protocol))
    with tables.open_file(path, 'a') as file:
        group = file.root.df_with_missing
        if place == 'rows':
            file.remove_node(group.axis1)
            rows = file.create_vlarray(group, 'axis1', tables.ObjectAtom())
            rows.append(Harmful(marker))
            rows.attrs.kind, rows.attrs.name = 'object', None
        else:
            node = {'attribute of the table': group, 'attribute of the root': file.root,
                    'attribute of an array': group.block0_values}[place]
            node._v_attrs.pandas_type = attack
            node._v_attrs.encoding = attack
    with pytest.raises(CapekitError) as error:
        read(path, 'dlc-h5')
    assert not marker.exists() and '\n' not in str(error.value)
    if protocol == 0 and place == 'attribute of the table' or place == 'rows':
        assert 'mkdir' in str(error.value) and 'which is not run' in str(error.value)


def test_a_file_that_is_no_h5_is_one_line(tmp_path):
    pytest.importorskip('pandas')
    pytest.importorskip('tables')
    with pytest.raises(CapekitError, match='cannot be read as a table of pandas'):
        read(_file(tmp_path, THREE_COLUMNS), 'dlc-h5')


def test_names_are_put_into_the_project_where_asked(tmp_path, announced):
    labels = LabelSet([LabelledImage('a.png', None, [Animal([[1, 2]])])], ['snout'])
    write(tmp_path / 'as_is.csv', 'dlc', labels)
    assert 'a.png is written as it is' in announced[0]
    write(tmp_path / 'placed.csv', 'dlc', labels, folder='labeled-data/vid')
    assert (tmp_path / 'placed.csv').read_text().splitlines()[3] == 'labeled-data,vid,a.png,1.0,2.0'


def test_animals_without_names_become_individuals(tmp_path, announced):
    labels = LabelSet([LabelledImage('labeled-data/v/a.png', None, [
        Animal([[1, 2]], name='individual1'), Animal([[3, 4]]), Animal([[5, 6]])])], ['snout'])
    write(tmp_path / 'labels.csv', 'dlc', labels)
    back = read(tmp_path / 'labels.csv', 'dlc')
    assert [animal.name for animal in back.images[0].animals] == ['individual1', 'individual2', 'individual3']
    assert 'says nothing about who is who' in announced[0]


@pytest.mark.parametrize(('images', 'format', 'message'), [
    ([LabelledImage('a.png', None, [Animal([[1, 2]]), Animal([[3, 4]])])], 'lp', 'no place for images with several'),
    ([LabelledImage('a.png', None, [Animal([[1, 2]], name='x'), Animal([[3, 4]], name='x')])], 'dlc', 'one name'),
    ([LabelledImage('a.png', None, [Animal([[1, 2]], name='single')])], 'dlc', "called 'single'"),
    ([LabelledImage('a.mp4', frame=0), LabelledImage('b.mp4', frame=0)], 'dlc', 'frames of one video or of images'),
    ([LabelledImage('a.mp4', frame=0), LabelledImage('b.png')], 'dlc', 'frames of one video or of images'),
])
def test_what_a_table_cannot_hold_is_refused(images, format, message, tmp_path):
    with pytest.raises(CapekitError, match=message):
        write(tmp_path / 'labels.csv', format, LabelSet(images, ['snout']))
    assert not (tmp_path / 'labels.csv').exists()


def test_scores_of_images_have_columns_only_where_asked(tmp_path, announced):
    labels = LabelSet([LabelledImage('labeled-data/v/a.png', None, [Animal([[1, 2]], scores=[0.5])])], ['snout'])
    write(tmp_path / 'labels.csv', 'dlc', labels)
    assert 'likelihood' not in (tmp_path / 'labels.csv').read_text()
    assert 'labels of images have no scores (1); left out' in announced[0]
    write(tmp_path / 'scored.csv', 'dlc', labels, likelihood=True)
    assert read(tmp_path / 'scored.csv', 'dlc').images[0].animals[0].scores.tolist() == [0.5]


def test_images_are_numbered_where_asked(flies, clip, tmp_path, announced):
    """movement takes a file for DeepLabCut's only if its fourth line begins with a digit."""
    write(tmp_path / 'numbered.csv', 'dlc', flies, numbered=True)
    lines = (tmp_path / 'numbered.csv').read_text().splitlines()
    assert lines[2:4] == ['coords' + ',x,y,likelihood' * 3, '0,1.25,2.5,,,,,30.125,40.75,']
    assert 'their names are left out' in announced[-1]
    with pytest.raises(CapekitError, match='numbered='):
        write(tmp_path / 'clip.csv', 'dlc', clip, numbered=True)
