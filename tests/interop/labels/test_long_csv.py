"""capekit's own CSV, as pandas reads it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capekit.errors import CapekitError
from capekit.interop.labels import read, write

HEADER = 'image,animal,keypoint,x,y,score,error_px,status\n'


def test_file(flies, tmp_path):
    flies.images[0].animals[0].scores = np.array([0.5, np.nan, 0.25])
    flies.images[0].animals[0].status = 'accepted'
    write(tmp_path / 'labels.csv', 'csv', flies)
    lines = (tmp_path / 'labels.csv').read_text().split('\n')
    assert lines[:4] == [HEADER.strip(), 'labeled-data/flies/b.png,1,tail,1.25,2.5,0.5,,accepted',
                         'labeled-data/flies/b.png,1,head,,,,,accepted',
                         'labeled-data/flies/b.png,1,leg,30.125,40.75,0.25,,accepted']
    assert lines[7:] == ['labeled-data/flies/c.png,,,,,,,', '']


def test_pandas_reads_it(clip, tmp_path):
    pandas = pytest.importorskip('pandas')
    write(tmp_path / 'labels.csv', 'csv', clip)
    table = pandas.read_csv(tmp_path / 'labels.csv')
    assert list(table.columns) == [*HEADER.strip().split(','), 'frame']
    assert table['keypoint'].tolist()[:3] == ['snout', 'ear', 'back']
    assert table['animal'].tolist() == ['mus'] * 3 + ['ratte'] * 6
    assert table['frame'].tolist() == [0] * 6 + [2] * 3
    np.testing.assert_allclose(table[['x', 'y', 'score']].to_numpy()[0], [10.5, 20.25, 0.9])


IMAGES = [('clip.mp4', 0), ('clip.mp4', 7), ('a.png', None)]
FRAMES = ['0', '7', '']
LINES = [(place, animal, keypoint) for place in range(3) for animal in ('1', '2', 'mus') for keypoint in range(2)]


@given(st.permutations(LINES))
def test_lines_may_stand_in_any_order(tmp_path_factory, lines):
    """Images, animals and keypoints come in the order in which they are first seen."""
    path = tmp_path_factory.mktemp('csv') / 'labels.csv'
    path.write_text('\n'.join([HEADER.strip() + ',frame', *(
        f"{IMAGES[place][0]},{animal},{'ab'[keypoint]},{place},{keypoint},,,,{FRAMES[place]}"
        for place, animal, keypoint in lines)]))
    labels = read(path, 'csv')
    assert list(labels.keypoints) == list(dict.fromkeys('ab'[keypoint] for _, _, keypoint in lines))
    assert [image.key for image in labels.images] == list(dict.fromkeys(IMAGES[place] for place, _, _ in lines))
    for image in labels.images:
        place = IMAGES.index(image.key)
        seen = dict.fromkeys(animal for own, animal, _ in lines if own == place)
        assert [animal.name for animal in image.animals] == [None if name.isdecimal() else name for name in seen]
        assert all(animal.points.tolist() == [[place, 'ab'.index(name)] for name in labels.keypoints]
                   for animal in image.animals)


def test_what_spreadsheets_and_pandas_make_of_a_file(clip, tmp_path):
    """A byte order mark, carriage returns, lines without content; whole numbers of a column with empty cells as 1.0."""
    lines = [HEADER.strip() + ',frame', 'a,1.0,x,1,2,,,,', ',,,,,,,,', 'b,,,,,,,,', 'v,1.0,x,3,4,,,,12.0', '']
    (tmp_path / 'labels.csv').write_bytes(b'\xef\xbb\xbf' + '\r\n'.join(lines).encode())
    labels = read(tmp_path / 'labels.csv', 'csv')
    assert [image.key for image in labels.images] == [('a', None), ('b', None), ('v', 12)]
    assert [(animal.name, animal.points.tolist()) for _, animal in labels.animals] == [
        (None, [[1, 2]]), (None, [[3, 4]])]
    clip.images[0].animals[0].name = '1.0'
    with pytest.raises(CapekitError, match="'1.0' would be read as a number"):
        write(tmp_path / 'new.csv', 'csv', clip)


@pytest.mark.parametrize(('text', 'message'), [
    ('a,b\n', 'its first line is not image,animal'),
    (HEADER + 'a,1\n', 'line 2 has 2 cells; expected 8'),
    (HEADER + 'a,1,x,1,2,,,\n' * 2, "line 3: keypoint 'x' of animal '1' in 'a' has a line already"),
    (HEADER + 'a,1,x,1,,,,\n', 'line 2: only one of x and y'),
    (HEADER + 'a,1,x,1,b,,,\n', "line 2, y: 'b' is not a number"),
    (HEADER + 'a,1,,1,2,,,\n', 'line 2: no keypoint'),
    (HEADER + 'a,,x,1,2,,,\n', 'line 2: no animal'),
    (HEADER + ',1,x,1,2,,,\n', 'line 2: no image'),
    (HEADER + 'a,1,x,1,2,,,predicted\na,1,y,1,2,,,corrected\n',
     "line 3: animal '1' in 'a' is 'corrected' here and 'predicted' before"),
    (HEADER + 'a,1,x,1,2,,,\nb,1,x,1,2,,,\na,1.0,x,1,2,,,\n', "line 4: keypoint 'x' of animal '1.0' in 'a' has a"),
    (HEADER + 'a,1,x,"1,5",2,,,\n', "line 2, x: '1,5' is not a number"),
    (HEADER + 'a,1,x,inf,2,,,\n', "line 2, x: 'inf' is not a finite number"),
    (HEADER.replace(',', ';') + 'a;1;x;1,5;2;;;\n', 'its first line is not image,animal'),
    (HEADER.strip() + ',frame\nv,1,x,1,2,,,,1.5\n', "line 2: frame '1.5' is not a whole number"),
    ('', 'its first line is not image,animal'),
])
def test_what_is_wrong_with_a_file(text, message, tmp_path):
    (tmp_path / 'labels.csv').write_text(text)
    with pytest.raises(CapekitError, match=rf'labels\.csv: {message}'):
        read(tmp_path / 'labels.csv', 'csv')
