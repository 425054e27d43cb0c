"""Tables, JSON, dumps, and the tool that scores them."""

import importlib.util
import json
import os
import sys

import numpy as np
import pytest
from coco_files import content, write, write_images

from capekit.datasets import MP100Dataset, released_test_episodes
from capekit.errors import CapekitError
from capekit.evaluation import (
    compare,
    comparison_table,
    dataset_of,
    evaluate,
    load_predictions,
    markdown_table,
    save_predictions,
    score_rows,
    text_table,
)
from capekit.files import write_json


@pytest.fixture
def dataset(tmp_path):
    return MP100Dataset(write(tmp_path / 'a.json', content(per_category=8)))


@pytest.fixture
def rows(dataset):
    return released_test_episodes(dataset, 2, queries=3, episodes=4)


def predictions(dataset, rows, scale: float) -> list:
    rng = np.random.default_rng(0)
    truth = [dataset.instance(row[-1])['keypoints'][:, :2] for row in rows]
    return [points + scale * rng.standard_normal(points.shape) for points in truth]


@pytest.fixture
def dumps(dataset, rows, tmp_path):
    """Two dumps of the same rows."""
    for name, scale in (('first', 4.0), ('second', 2.0)):
        save_predictions(tmp_path / f'{name}.npz', rows, predictions(dataset, rows, scale),
                         dict(dataset.source, config='some.py'))
    return tmp_path / 'first.npz', tmp_path / 'second.npz'


def test_tables(dataset, rows):
    report = evaluate(dataset, rows, predictions(dataset, rows, 4.0), resamples=20)
    text, markdown = text_table(report), markdown_table(report)
    overall = report['overall']['metrics']['PCK@0.2']['value']
    for table in (text, markdown):
        assert f'{100 * overall:.2f}' in table and 'cup (1)' in table and 'thing' in table
        assert '2 categories, 2 shot(s), 24 rows, 0 of them' in table
    assert '|' in markdown and '|' not in text
    comparison = compare(dataset, rows, predictions(dataset, rows, 4.0), predictions(dataset, rows, 1.0), resamples=50)
    lines = comparison_table(comparison, 'old', 'new').splitlines()
    assert any('new - old' in line for line in lines)
    assert next(line for line in lines if line.startswith('EPE')).rstrip().endswith('*')


def test_json_is_whole_or_not_there(tmp_path):
    path = tmp_path / 'new/folder/report.json'
    write_json(path, dict(a=float('nan'), b=[1.5, float('inf')]))
    assert json.loads(path.read_text()) == dict(a=None, b=[1.5, None])
    with pytest.raises(TypeError):
        write_json(path, dict(a=object()))
    assert json.loads(path.read_text())['b'] == [1.5, None]
    assert os.listdir(path.parent) == ['report.json']
    with pytest.raises(CapekitError, match='cannot be written'):
        write_json(path / 'below a file.json', {})


def test_dump_round_trip(dataset, rows, dumps):
    loaded = load_predictions(dumps[0])
    assert np.array_equal(loaded.rows, rows) and loaded.points.dtype == np.float32
    assert loaded.points.shape == (24, 4, 2) and np.isnan(loaded.points[0, 3]).all()
    assert loaded.meta['config'] == 'some.py'
    points = [row.astype(np.float32) for row in predictions(dataset, rows, 4.0)]
    again = dataset_of(loaded)
    assert score_rows(again, loaded.rows, loaded.points) == score_rows(dataset, rows, points)
    with np.load(dumps[0], allow_pickle=False) as arrays:
        assert set(arrays) == {'rows', 'points', 'meta'}


def test_dump_of_a_filter_and_of_skipped_images(tmp_path):
    data = content(per_category=8)
    annotations, images = write(tmp_path / 'a.json', data), write_images(tmp_path / 'images', data)
    (images / 'bird/0.jpg').unlink()
    dataset = MP100Dataset(annotations, images, categories=[2], missing_images='skip')
    rows = released_test_episodes(dataset, 1, queries=3, episodes=2)
    save_predictions(tmp_path / 'd.npz', rows, predictions(dataset, rows, 1.0), dict(dataset.source))
    again = dataset_of(load_predictions(tmp_path / 'd.npz'))
    assert again.source == dataset.source and len(again) == 7
    # Another image gone since: the rows would number other instances.
    (images / 'bird/1.jpg').unlink()
    with pytest.raises(CapekitError, match='other instances'):
        dataset_of(load_predictions(tmp_path / 'd.npz'))


def test_dump_of_another_annotation_file(dumps, tmp_path):
    loaded = load_predictions(dumps[0])
    moved = tmp_path / 'moved.json'
    (tmp_path / 'a.json').rename(moved)
    with pytest.raises(CapekitError, match='--ann-file'):
        dataset_of(loaded)
    assert len(dataset_of(loaded, [moved])) == 16
    moved.write_text(moved.read_text() + ' ')
    with pytest.raises(CapekitError, match='sha256'):
        dataset_of(loaded, [moved])


def test_bad_dumps(tmp_path, dataset, rows):
    with pytest.raises(CapekitError, match='no such dump'):
        load_predictions(tmp_path / 'gone.npz')
    (tmp_path / 'text.npz').write_text('no dump')
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    np.save(tmp_path / 'single.npy', np.zeros(3))
    for name in ('text.npz', 'other.npz', 'single.npy'):
        with pytest.raises(CapekitError, match=f'{name}: not a dump'):
            load_predictions(tmp_path / name)
    with pytest.raises(CapekitError, match="'ann_files'"):
        save_predictions(tmp_path / 'd.npz', rows, predictions(dataset, rows, 1.0), {})
    with pytest.raises(CapekitError, match='1 predictions for 24 rows'):
        save_predictions(tmp_path / 'd.npz', rows, np.zeros((1, 4, 2)), dict(dataset.source))
    assert not (tmp_path / 'd.npz').exists()


@pytest.fixture
def score(repo, monkeypatch, capsys):
    """Calls tools/analysis/score.py in this process: (exit status, stdout, stderr)."""
    spec = importlib.util.spec_from_file_location('score', repo / 'tools/analysis/score.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['score.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            module.run(module.main)
        return left.value.code, *capsys.readouterr()
    return call


def test_tool_scores_again(score, dumps, dataset, rows, tmp_path):
    status, out, _ = score(dumps[0], '--thresholds', 0.1, 0.2, 0.3, '--resamples', 20, '--json', tmp_path / 'r.json')
    report = json.loads((tmp_path / 'r.json').read_text())
    assert status == 0 and 'mPCK@.10:.30' in out and 'bird (2)' in out
    expected = score_rows(dataset, rows, [p.astype(np.float32) for p in predictions(dataset, rows, 4.0)],
                          (0.1, 0.2, 0.3))
    assert report['overall']['metrics']['PCK@0.3']['value'] == pytest.approx(expected['PCK@0.3'])
    status, out, _ = score(dumps[0], '--markdown', '--resamples', 5)
    assert status == 0 and out.count('|') > 50


def test_tool_compares(score, dumps, dataset, rows, tmp_path):
    status, out, _ = score(dumps[0], '--against', dumps[1], '--resamples', 50, '--json', tmp_path / 'c.json')
    assert status == 0 and 'second - first' in out
    assert json.loads((tmp_path / 'c.json').read_text())['metrics']['EPE']['high'] < 0
    other = released_test_episodes(dataset, 2, queries=3, episodes=4, seed=2)
    save_predictions(tmp_path / 'third.npz', other, predictions(dataset, other, 1.0), dict(dataset.source))
    status, _, err = score(dumps[0], '--against', tmp_path / 'third.npz')
    assert status == 2 and err.startswith('error: ') and 'other rows' in err


def test_tool_errors(score, tmp_path):
    status, _, err = score(tmp_path / 'gone.npz')
    assert status == 2 and 'gone.npz' in err and err.count('\n') == 1
