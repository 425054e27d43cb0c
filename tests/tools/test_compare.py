"""`tools/compare.py`: dumps, reports, folders, figures, and what it refuses."""

import json

import numpy as np
import pytest

from capekit.datasets import MP100Dataset, released_test_plan
from capekit.evaluation import evaluate, save_predictions
from capekit.files import write_json


@pytest.fixture
def runs(small, tmp_path):
    """Two folders, each with a dump and the report of the same test, B nearer to the labels."""
    dataset = MP100Dataset(small / 'annotations/test.json')
    plan = released_test_plan(dataset, 1, queries=2, episodes=4)
    labels = dataset.keypoints[plan.queries, :, :2]
    noise = np.random.default_rng(0).standard_normal(labels.shape)
    meta = dict(dataset.source, shots=1, queries=2, episodes=4, seed=1)
    for name, scale in (('A', 8), ('B', 2)):
        points = labels + scale * noise
        save_predictions(tmp_path / name / 'dump_1shot.npz', plan, points, meta)
        write_json(tmp_path / name / 'test_1shot.json', dict(evaluate(dataset, plan, points, resamples=0), source=meta))
    return tmp_path / 'A', tmp_path / 'B'


def test_two_folders_with_figures(runs, tool, tmp_path):
    out_file = tmp_path / 'out.json'
    status, out, err = tool('compare', *runs, '--resamples', 50, '--top', 2, '--show-dir', tmp_path / 'moved',
                            '--json', out_file)
    assert status == 0, err
    assert 'B - A' in out and 'by episode' in out and 'over categories' in out and 'moved most, PCK@0.2' in out
    figures = sorted((tmp_path / 'moved').glob('*.png'))
    assert len(figures) == 6 and figures[0].name.startswith('1_') and 'figures: 6 in' in out
    assert figures[0].name in (tmp_path / 'moved/index.html').read_text()
    assert json.loads(out_file.read_text())['metrics']['EPE']['high'] < 0


def test_reports_and_files_of_a_sweep(runs, tool, tmp_path):
    a, b = (run / 'test_1shot.json' for run in runs)
    status, out, _ = tool('compare', a, b, '--metric', 'NME', '--markdown')
    assert status == 0 and 'over categories' in out and 'by episode' not in out and '| moved most, NME' in out
    for run in runs:
        write_json(tmp_path / run.name / 'row/seed0.json', dict(dump='../dump_1shot.npz'))
    status, out, _ = tool('compare', runs[0] / 'row', runs[1] / 'row/seed0.json', '--resamples', 20)
    assert status == 0 and 'B - A' in out and 'by episode' in out


def test_what_is_refused(runs, tool, tmp_path):
    a, b = runs
    empty = tmp_path / 'empty'
    empty.mkdir()
    (empty / 'text.json').write_text('no')
    (empty / 'list.json').write_text('[]')
    (empty / 'other.json').write_text('{}')
    expected = 'json: expected a report of `capekit test`, a file of `capekit sweep` or a dump of `capekit test --dump`'
    for arguments, message in (
            ([a, empty], 'neither a dump'), ([a, b / 'test_1shot.json'], 'name two of a kind'),
            ([a / 'test_1shot.json', b / 'test_1shot.json', '--show-dir', tmp_path / 'x'], '--show-dir needs dumps'),
            ([a, b, '--metric', 'PCK'], "metric 'PCK' is not one of"), ([a, empty / 'list.json'], expected),
            ([empty / 'other.json', empty / 'other.json'], expected),
            ([a / 'test_1shot.json', empty / 'other.json'], expected),
            ([a, empty / 'text.json'], 'text.json: invalid JSON at line 1'),
            ([a, empty / 'gone.json'], 'gone.json: cannot be read (No such file'),
            ([a, b, '--show-dir', tmp_path / 'x', '--images', tmp_path / 'none'], 'name that of the images')):
        status, _, err = tool('compare', *arguments)
        assert status == 2 and message in err and err.count('\n') == 1, (arguments, err)
    (a / 'dump_5shot.npz').write_bytes((a / 'dump_1shot.npz').read_bytes())
    assert '2 results (dump_1shot.npz, dump_5shot.npz)' in tool('compare', a, b)[2]
    assert tool('compare', a, b, '--shots', 1, '--resamples', 0)[0] == 0
