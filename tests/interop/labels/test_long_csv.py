"""capekit's own CSV, as pandas reads it."""

import numpy as np
import pytest

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


@pytest.mark.parametrize(('text', 'message'), [
    ('a,b\n', 'its first line is not image,animal'),
    (HEADER + 'a,1\n', 'line 2 has 2 cells; expected 8'),
    (HEADER + 'a,1,x,1,2,,,\n' * 2, "line 3: keypoint 'x' of animal '1' in 'a' has a line already"),
    (HEADER + 'a,1,x,1,,,,\n', 'line 2: only one of x and y'),
    (HEADER + 'a,1,x,1,b,,,\n', "line 2, y: 'b' is not a number"),
    (HEADER + 'a,1,,1,2,,,\n', 'line 2: no keypoint'),
])
def test_what_is_wrong_with_a_file(text, message, tmp_path):
    (tmp_path / 'labels.csv').write_text(text)
    with pytest.raises(CapekitError, match=rf'labels\.csv: {message}'):
        read(tmp_path / 'labels.csv', 'csv')
