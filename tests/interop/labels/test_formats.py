"""`read`, `write`, `detect`, and the structure that they share."""

import subprocess
import sys

import numpy as np
import pytest

from capekit.commands import convert_labels
from capekit.errors import CapekitError
from capekit.interop.labels import FORMATS, Animal, LabelledImage, LabelSet, detect, read, write
from capekit.interop.labels.format import PARTS

ENDING = dict(coco='.json', cvat='.json', dlc='.csv', lp='.csv', csv='.csv', slp='.slp', labelme='')


def test_page_states_what_each_format_holds(repo):
    """The table in the docs is the one that the formats state."""
    page = (repo / 'docs/label_formats.md').read_text()
    lines = ['| ' + ' | '.join(['', *(f'`{name}`' for name in FORMATS)]) + ' |']
    for part in PARTS:
        cells = ['yes' if part in format.holds else '' for format in FORMATS.values()]
        lines.append('| ' + ' | '.join([part, *cells]) + ' |')
    assert len(set(PARTS)) == len(PARTS)
    for line in lines:
        assert page.count(f'{line}\n') == 1, line


@pytest.mark.parametrize(('call', 'message'), [
    (lambda path: read(path, 'word'), "no label format 'word'; valid: coco, dlc"),
    (lambda path: read(path / 'none', 'coco'), 'none: no such file'),
    (lambda path: read(path, 'csv', category='fly'), "reading csv: no option 'category'; valid: none"),
    (lambda path: write(path / 'x', 'dlc', LabelSet([], []), category='f'),
     "writing dlc: no option 'category'; valid: scorer, folder, likelihood, numbered"),
])
def test_wrong_calls_are_one_line(call, message, tmp_path):
    with pytest.raises(CapekitError, match=message):
        call(tmp_path)


@pytest.mark.parametrize(('format', 'name'), [
    *((format, name) for format in ('dlc', 'csv', 'cvat-xml') for name in ('caf\udce9', '\ud800')),
    ('cvat-xml', 'a\x1b'), ('cvat-xml', '\uffff')])
def test_names_that_a_file_cannot_hold_are_one_line(format, name, tmp_path):
    labels = LabelSet([LabelledImage(f'{name}.png', (9, 9), [Animal([[1, 2]])])], ['x'])
    with pytest.raises(CapekitError, match=r'x: a name has .* no character'):
        write(tmp_path / 'x', format, labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('format', ['dlc', 'lp'])
def test_tables_need_keypoints(format, tmp_path):
    with pytest.raises(CapekitError, match='x: the labels have no keypoints'):
        write(tmp_path / 'x', format, LabelSet([LabelledImage('a.png')], []))


def test_an_existing_file_stays(flies, tmp_path):
    (tmp_path / 'labels.json').write_text('mine')
    with pytest.raises(CapekitError, match=r'labels\.json: is there already'):
        write(tmp_path / 'labels.json', 'coco', flies)
    assert (tmp_path / 'labels.json').read_text() == 'mine'
    write(tmp_path / 'labels.json', 'coco', flies, overwrite=True)
    assert len(read(tmp_path / 'labels.json', 'coco')) == 3


@pytest.mark.parametrize('format', ['coco', 'dlc', 'csv', 'cvat', 'cvat-xml', 'label-studio', 'labelme', 'slp'])
def test_detects_what_it_wrote(format, flies, tmp_path):
    if format == 'slp':
        pytest.importorskip('h5py')
    path = tmp_path / f'labels{ENDING.get(format, ".x")}'
    write(path, format, flies)
    assert detect(path) == format


@pytest.mark.parametrize(('name', 'data', 'message'), [
    ('a.h5', b'\x89HDF\r\n\x1a\n', 'may be sleap-analysis or dlc-h5'), ('a.json', b'{}', 'no format that is known'),
    ('a.json', b'{', 'no format'),
    ('a.json', b'[' * 10 ** 5, 'no format'), ('a.csv', b'x,y\n', 'no format'), ('a.csv', b'', 'no format'),
    ('a.json', b'{"images": 1, "annotations": 2, "categories": 3}', 'no format'), ('a.json', b'[]', 'no format'),
    ('a.xml', b'<x/>', 'no format'), ('a.png', b'\x89PNG\xff', 'no format')])
def test_does_not_guess(name, data, message, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CapekitError, match=f'{name}: .*{message}.*--from'):
        detect(tmp_path / name)


def test_convert_labels(flies, tmp_path, monkeypatch, capsys, announced):
    write(tmp_path / 'labels.json', 'coco', flies)

    def convert(*arguments):
        monkeypatch.setattr(sys, 'argv', ['capekit convert-labels', *map(str, arguments)])
        convert_labels.main()
        return capsys.readouterr().out

    out = convert(tmp_path / 'labels.json', tmp_path / 'labels.csv', '--to', 'dlc', '--scorer', 'me')
    assert '3 images, 2 animals, 3 keypoints (tail, head, leg)' in out
    assert any('no place for boxes (2), links (2)' in line for line in announced)
    assert any('labels.json: read as coco' in line for line in announced)
    assert (tmp_path / 'labels.csv').read_text().startswith('scorer,,,me,')
    back = read(tmp_path / 'labels.csv', 'dlc')
    np.testing.assert_array_equal(back.images[1].animals[0].points, flies.images[1].animals[0].points)
    with pytest.raises(CapekitError, match="writing csv: no option 'scorer'; valid: none"):
        convert(tmp_path / 'labels.json', tmp_path / 'long.csv', '--to', 'csv', '--scorer', 'me')
    convert(tmp_path / 'labels.json', tmp_path / 'json', '--to', 'labelme')
    convert(tmp_path / 'json', tmp_path / 'two.json', '--from', 'labelme', '--to', 'coco', '--keypoints', 'tail',
            'head', 'leg', '--to-skeleton-base', 1)
    assert read(tmp_path / 'two.json', 'coco').keypoints == ('tail', 'head', 'leg')


def test_command_ends_with_one_line(repo, tmp_path):
    done = subprocess.run([sys.executable, repo / 'tools/convert_labels.py', tmp_path / 'none', tmp_path / 'out',
                           '--to', 'coco'], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().endswith('none: cannot be read (No such file or directory)')
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: Animal([1, 2]), r'points have shape \(2,\)'),
    (lambda: Animal([[1, np.inf]]), 'infinite'),
    (lambda: Animal([[1, 2]], [0]), r'keypoint 0 has visibility 0 and the coordinates \[1.0, 2.0\]'),
    (lambda: Animal([[1, 2]], [3]), 'valid: 0, 1, 2'),
    (lambda: Animal([[1, 2]], scores=[1, 2]), r'scores have shape \(2,\)'),
    (lambda: Animal([[1, 2]], box=[1, 2]), 'expected x, y, width, height'),
    (lambda: Animal([[1, np.nan]]), 'only one of x and y'),
    (lambda: Animal([[1, 2]], scores=[np.inf]), r'scores are \[inf\]; expected finite numbers'),
    (lambda: Animal([[1, 2]], score='high'), "score is 'high'; expected a number"),
    (lambda: Animal([[1, 2]], name=5), 'name is 5; expected text'),
    (lambda: Animal([[1, 2]], status=5), 'status is 5; expected text'),
    (lambda: Animal([[1, 2]], rank=1.5), 'rank is 1.5; expected a whole number'),
    (lambda: LabelledImage('a', (60, '40')), r"a: its size is \(60, '40'\); expected width and height in whole pixels"),
    (lambda: LabelledImage('a', ([60], 40)), 'a: its size is'), (lambda: LabelledImage('a', (60, 0)), 'its size is'),
    (lambda: LabelledImage('a', (60, 40.5)), 'its size is'), (lambda: LabelledImage('a', (np.nan, 40)), 'its size is'),
    (lambda: LabelledImage('a', frame=-1), 'a: frame -1 is not a whole number from 0'),
    (lambda: LabelledImage('a', frame=10 ** 20), 'is not a whole number'),
    (lambda: LabelledImage('a', frame='1'), "frame '1' is not"),
    (lambda: LabelSet([], ['a', 'a']), "the keypoint name 'a' appears twice"),
    (lambda: LabelSet([], ['a'], [[0, 1]]), 'links go from 0 to 1; expected 0 to 0'),
    (lambda: LabelSet([LabelledImage('a'), LabelledImage('a')], []), 'a appears twice'),
    (lambda: LabelSet([LabelledImage('a', None, [Animal([[1, 2]])])], []), 'an animal has 1 keypoints; expected 0'),
])
def test_label_sets_are_checked(make, message):
    with pytest.raises(CapekitError, match=message):
        make()
