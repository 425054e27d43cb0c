"""The audit: what is a problem, what is a note, and the exit status of its tool."""

import json
import subprocess
import sys

import pytest
from coco_files import content, write, write_images

from capekit.datasets import MP100Dataset
from capekit.datasets.audit import audit
from capekit.errors import CapekitError


@pytest.fixture
def tiny(tmp_path):
    """Content, annotation file and image folder of two sound categories."""
    data = content()
    return data, write(tmp_path / 'tiny.json', data), write_images(tmp_path / 'images', data)


def test_published_files_are_clean(shared):
    files = sorted((shared / 'data/mp100/annotations').glob('*.json'))
    result = audit(files, shots=5)
    assert result.clean and len(result.categories) == 100
    assert sum(category.instances for category in result.categories) == len(MP100Dataset(files))
    assert any("'face' (id 40), 'face' (id 18)" in note for note in result.notes)
    assert all(category.missing is None and category.unreadable is None for category in result.categories)


def test_sound_data(tiny):
    result = audit([tiny[1]], tiny[2], shots=1, queries=3, decode=True)
    assert result.clean and result.to_dict()['clean']
    assert [(category.name, category.instances, category.images, category.missing, category.unreadable)
            for category in result.categories] == [('cup', 4, 4, 0, 0), ('bird', 4, 4, 0, 0)]
    assert 'bird' in result.text() and result.text().endswith('clean')
    json.dumps(result.to_dict())


def test_missing_unreadable_and_wrong_images(tiny):
    data, path, images = tiny
    (images / 'cup/0.jpg').unlink()
    (images / 'cup/1.jpg').write_bytes((images / 'cup/1.jpg').read_bytes()[:900])
    data['images'][4]['width'] += 1
    result = audit([write(path, data)], images, queries=3, decode=True)
    cup, bird = result.categories
    assert (cup.missing, cup.unreadable, cup.usable, cup.enough) == (1, 1, 2, False)
    assert (bird.missing, bird.unreadable, bird.usable, bird.enough) == (0, 1, 3, False)
    problems = '\n'.join(result.problems)
    assert '1 of 8 image files are missing' in problems and 'cup/0.jpg' in problems
    assert 'cup/1.jpg: damaged or truncated' in problems
    assert 'bird/0.jpg: 80 x 60 pixels, the annotation file says 81 x 60' in problems
    assert "'cup' (id 1): 2 usable instances" in problems
    # Without decoding, only missing files are found.
    assert audit([path], images, queries=3).categories[0].unreadable is None


@pytest.mark.parametrize('skeleton, expected', [
    ([[0, 3]], '0 to 3'), ([[0, 5]], '0 to 5'), ([[-1, 2]], '-1 to 2'), ([[0, 1, 2]], 'pairs')])
def test_links(tiny, skeleton, expected):
    data, path, _ = tiny
    data['categories'][0]['skeleton'] = skeleton
    problems = audit([write(path, data)], queries=3).problems
    assert len(problems) == 1 and expected in problems[0] and "'cup' (id 1)" in problems[0]


def test_keypoint_lists_of_the_wrong_length(tiny):
    data, path, _ = tiny
    data['annotations'][2]['keypoints'].append(1.0)
    problems = audit([write(path, data)], queries=3).problems
    assert len(problems) == 1 and '102' in problems[0] and '3 * 3' in problems[0]


def test_notes(tiny):
    data, path, _ = tiny
    data['categories'][1].update(name='C u p', skeleton=[])
    data['annotations'][0]['keypoints'][:3] = [200.0, 5.0, 2]
    data['annotations'][1]['iscrowd'] = 1
    result = audit([write(path, data)], queries=2)
    assert result.clean
    notes = '\n'.join(result.notes)
    assert "'cup' (id 1), 'C u p' (id 2)" in notes and '1 annotation(s) do not count: crowd' in notes
    assert '1 labelled keypoint(s) lie outside' in notes and '1 categories have no links' in notes
    assert result.categories[0].outside == 1


def test_bad_arguments(tiny, tmp_path):
    with pytest.raises(CapekitError, match='nowhere'):
        audit([tiny[1]], tmp_path / 'nowhere')
    with pytest.raises(CapekitError, match='--images'):
        audit([tiny[1]], decode=True)


def tool(repo, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(repo / 'tools/dataset/audit.py'), *map(str, arguments)], text=True,
                          capture_output=True, env={'PYTHONPATH': str(repo)})


def test_tool_exit_status(tiny, repo, tmp_path):
    _, path, images = tiny
    out = tmp_path / 'out/audit.json'
    clean = tool(repo, path, '--images', images, '--queries', 3, '--decode', '--json', out)
    assert clean.returncode == 0, clean.stderr
    assert 'bird' in clean.stdout and json.loads(out.read_text())['clean']
    (images / 'cup/0.jpg').unlink()
    assert tool(repo, path, '--images', images).returncode == 1
    bad = tool(repo, tmp_path / 'gone.json')
    assert bad.returncode == 2 and bad.stderr.startswith('error: ') and bad.stderr.count('\n') == 1
