"""Tables, JSON, dumps, and the tool that scores dumps."""

import json
import os
import runpy
import sys

import numpy as np
import pytest
from coco_files import content, write, write_images

from capekit.datasets import MP100Dataset, released_test_plan
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
from capekit.evaluation.report import cell
from capekit.files import write_json


@pytest.fixture
def dataset(tmp_path):
    return MP100Dataset(write(tmp_path / 'a.json', content(per_category=8)))


@pytest.fixture
def plan(dataset):
    return released_test_plan(dataset, 2, queries=3, episodes=4)


def predictions(dataset, plan, scale: float) -> list:
    rng = np.random.default_rng(0)
    truth = [dataset.instance(row[-1])['keypoints'][:, :2] for row in plan.rows]
    return [points + scale * rng.standard_normal(points.shape) for points in truth]


@pytest.fixture
def dumps(dataset, plan, tmp_path):
    """Two dumps of the same plan, the first with scores."""
    scores = np.random.default_rng(1).random((8, 3, 4))
    scores[:4, :, 3] = np.nan
    for name, scale, given in (('first', 4.0, scores), ('second', 2.0, None)):
        save_predictions(tmp_path / f'{name}.npz', plan, predictions(dataset, plan, scale),
                         dict(dataset.source, config='some.py'), given)
    return tmp_path / 'first.npz', tmp_path / 'second.npz'


def test_tables(dataset, plan):
    report = evaluate(dataset, plan, predictions(dataset, plan, 4.0), resamples=20)
    text, markdown = text_table(report), markdown_table(report)
    overall = report['overall']['metrics']['PCK@0.2']['value']
    for table in (text, markdown):
        assert f'{100 * overall:.2f}' in table and 'cup (1)' in table and 'thing' in table
        assert '2 categories, 2 shot(s), 24 rows, 0 of them' in table
        assert '95% interval' in table and 'correlation' not in table
    assert '|' in markdown and '|' not in text
    comparison = compare(dataset, plan, predictions(dataset, plan, 4.0), predictions(dataset, plan, 1.0), resamples=50)
    lines = comparison_table(comparison, 'old', 'new').splitlines()
    assert any('new - old' in line for line in lines)
    assert next(line for line in lines if line.startswith('EPE')).rstrip().endswith('*')


def test_tables_without_intervals(dataset, plan):
    answers = predictions(dataset, plan, 4.0)
    report = evaluate(dataset, plan, answers, np.arange(96.0).reshape(8, 3, 4), resamples=0)
    for table in (text_table(report), markdown_table(report)):
        assert 'interval' not in table and 'cup (1)' in table
        assert f'rank correlation of scores with errors {report["score_correlation"]:+.2f} (negative: higher' in table
    value = report['overall']['metrics']['PCK@0.2']
    assert cell(value) == f'{100 * value["value"]:.1f}'
    table = comparison_table(compare(dataset, plan, answers, predictions(dataset, plan, 1.0), resamples=0))
    assert 'interval' not in table and '*' not in table and 'B - A' in table


def test_table_of_a_report_with_the_least_in_it():
    table = text_table(dict(overall=dict(metrics=dict(jitter=dict(value=0.25)))))
    assert '0.2500' in table and 'jitter' in table


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


def test_dump_round_trip(dataset, plan, dumps):
    loaded = load_predictions(dumps[0])
    rows = plan.rows
    assert np.array_equal(loaded.rows, rows) and loaded.points.dtype == loaded.scores.dtype == np.float32
    assert np.array_equal(loaded.plan.supports, plan.supports) and np.array_equal(loaded.plan.queries, plan.queries)
    assert loaded.scores.shape == (24, 4) and np.isnan(loaded.scores[:12, 3]).all() and loaded.meta['queries'] == 3
    assert np.isnan(load_predictions(dumps[1]).scores).all()
    assert loaded.points.shape == (24, 4, 2) and np.isnan(loaded.points[0, 3]).all()
    assert loaded.meta['config'] == 'some.py'
    points = [row.astype(np.float32) for row in predictions(dataset, plan, 4.0)]
    again = dataset_of(loaded)
    assert score_rows(again, loaded.rows, loaded.points) == score_rows(dataset, rows, points)
    with np.load(dumps[0], allow_pickle=False) as arrays:
        assert set(arrays) == {'rows', 'points', 'scores', 'meta'}


def test_dump_of_a_filter_and_of_skipped_images(tmp_path):
    data = content(per_category=8)
    annotations, images = write(tmp_path / 'a.json', data), write_images(tmp_path / 'images', data)
    (images / 'bird/0.jpg').unlink()
    dataset = MP100Dataset(annotations, images, categories=[2], missing_images='skip')
    plan = released_test_plan(dataset, 1, queries=3, episodes=2)
    save_predictions(tmp_path / 'd.npz', plan, predictions(dataset, plan, 1.0), dict(dataset.source))
    again = dataset_of(load_predictions(tmp_path / 'd.npz'))
    assert again.source == dataset.source and len(again) == 7
    # Another image has disappeared since: the rows would number other instances.
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


def test_bad_dumps(tmp_path, dataset, plan):
    with pytest.raises(CapekitError, match='no such dump'):
        load_predictions(tmp_path / 'gone.npz')
    (tmp_path / 'text.npz').write_text('no dump')
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    np.save(tmp_path / 'single.npy', np.zeros(3))
    for name in ('text.npz', 'other.npz', 'single.npy'):
        with pytest.raises(CapekitError, match=f'{name}: not a dump'):
            load_predictions(tmp_path / name)
    with pytest.raises(CapekitError, match="'ann_files'"):
        save_predictions(tmp_path / 'd.npz', plan, predictions(dataset, plan, 1.0), {})
    with pytest.raises(CapekitError, match='1 predictions for 24 rows'):
        save_predictions(tmp_path / 'd.npz', plan, np.zeros((1, 4, 2)), dict(dataset.source))
    with pytest.raises(CapekitError, match=r'scores of shape \(24, 3\) for points of shape \(24, 4, 2\)'):
        save_predictions(tmp_path / 'd.npz', plan, np.zeros((8, 3, 4, 2)), dict(dataset.source), np.zeros((8, 3, 3)))
    assert not (tmp_path / 'd.npz').exists()


@pytest.mark.parametrize(('change', 'message'), [
    (dict(rows=np.zeros((23, 3), int)), r'rows \(23, 3\) int64, points \(24, 4, 2\)'),
    (dict(rows=np.zeros((24, 3))), 'rows .* float64'),
    (dict(rows=np.zeros((24, 1), int)), r'rows \(24, 1\)'),
    (dict(points=np.zeros((24, 4))), r'points \(24, 4\)'),
    (dict(points=np.zeros((24, 4, 3))), r'points \(24, 4, 3\)'),
    (dict(points=np.array(['a'])), 'points .* <U1'),
    (dict(scores=np.zeros((24, 3))), r'scores \(24, 3\)'),
    (dict(meta=np.array('[]')), 'meta is not a dict'),
    (dict(meta=np.array('{')), 'not a dump'),
    (dict(meta=dict(queries=None)), 'queries=None'),
    (dict(meta=dict(queries=0)), 'queries=0'),
    (dict(meta=dict(queries=5)), 'do not form episodes of 5 queries'),
    (dict(meta=dict(queries=4)), 'successive rows'),
])
def test_a_dump_with_something_broken_in_it_is_one_line(dumps, tmp_path, change, message):
    with np.load(dumps[0]) as arrays:
        content = dict(arrays)
    if isinstance(change.get('meta'), dict):
        change = dict(meta=np.array(json.dumps({**json.loads(str(content['meta'])), **change['meta']})))
    np.savez(tmp_path / 'broken.npz', **{**content, **change})
    with pytest.raises(CapekitError, match=f'broken.npz: .*{message}') as caught:
        load_predictions(tmp_path / 'broken.npz')
    assert '\n' not in str(caught.value)


def test_a_dump_without_scores_or_the_number_of_queries(dumps, tmp_path):
    with np.load(dumps[0]) as arrays:
        content = dict(arrays)
    content.pop('scores')
    np.savez(tmp_path / 'other.npz', **content)
    assert np.isnan(load_predictions(tmp_path / 'other.npz').scores).all()
    meta = json.loads(str(content['meta']))
    meta.pop('queries')
    np.savez(tmp_path / 'other.npz', **{**content, 'meta': np.array(json.dumps(meta))})
    with pytest.raises(CapekitError, match="meta lacks 'queries'"):
        load_predictions(tmp_path / 'other.npz')


@pytest.fixture
def score(repo, monkeypatch, capsys):
    """Call tools/analysis/score.py in this process: (exit status, stdout, stderr)."""
    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['score.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(repo / 'tools/analysis/score.py'), run_name='__main__')
        return left.value.code, *capsys.readouterr()
    return call


def test_tool_scores_again(score, dumps, dataset, plan, tmp_path):
    status, out, _ = score(dumps[0], '--thresholds', 0.1, 0.2, 0.3, '--resamples', 20, '--json', tmp_path / 'r.json')
    report = json.loads((tmp_path / 'r.json').read_text())
    assert status == 0 and 'mPCK@.10:.30' in out and 'bird (2)' in out
    expected = score_rows(dataset, plan.rows, [p.astype(np.float32) for p in predictions(dataset, plan, 4.0)],
                          (0.1, 0.2, 0.3))
    assert report['overall']['metrics']['PCK@0.3']['value'] == pytest.approx(expected['PCK@0.3'])
    assert 'correlation of scores with errors' in out and abs(report['score_correlation']) <= 1
    status, out, _ = score(dumps[0], '--markdown', '--resamples', 5)
    assert status == 0 and out.count('|') > 50 and 'interval' in out
    status, out, _ = score(dumps[1], '--resamples', 0)
    assert status == 0 and 'interval' not in out and 'correlation' not in out


def test_tool_compares(score, dumps, dataset, tmp_path):
    status, out, _ = score(dumps[0], '--against', dumps[1], '--resamples', 50, '--json', tmp_path / 'c.json')
    assert status == 0 and 'second - first' in out
    assert json.loads((tmp_path / 'c.json').read_text())['metrics']['EPE']['high'] < 0
    status, out, _ = score(dumps[0], '--against', dumps[1], '--resamples', 0)
    assert status == 0 and 'second - first' in out and 'interval' not in out
    other = released_test_plan(dataset, 2, queries=3, episodes=4, seed=2)
    save_predictions(tmp_path / 'third.npz', other, predictions(dataset, other, 1.0), dict(dataset.source))
    status, _, err = score(dumps[0], '--against', tmp_path / 'third.npz')
    assert status == 2 and err.startswith('error: ') and 'other rows' in err


def test_tool_errors(score, tmp_path):
    status, _, err = score(tmp_path / 'gone.npz')
    assert status == 2 and 'gone.npz' in err and err.count('\n') == 1


def test_a_report_of_another_evaluator_needs_no_more_than_its_metrics(tmp_path):
    value = dict(value=np.float32(0.5), low=np.float64(0.4), high=0.6)
    category = dict(name='cat', id=3, metrics=dict(share=value))
    report = dict(overall=dict(metrics=dict(share=value)), categories=[category])
    for table in (text_table(report), markdown_table(report)):
        assert 'interval' in table and '0.4000..0.6000' in table and 'cat (3)' in table
    write_json(tmp_path / 'report.json', dict(report, rows=np.arange(2)))
    assert json.loads((tmp_path / 'report.json').read_text())['rows'] == [0, 1]


def test_a_dump_that_is_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.npz'
    np.savez_compressed(path, rows=np.zeros((2 ** 20, 2), np.int64))
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', '0.01')
    monkeypatch.setattr(np, 'load', lambda *_, **__: pytest.fail('unpacked'))
    with pytest.raises(CapekitError, match=r'bomb.npz: 0\.0 MB that unpacks to 16\.8 MB is refused'):
        load_predictions(path)


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('ann_files', 3, 'ann_files=3 must be a list (each a string)'), ('ann_files', [['x']], 'ann_files=[['),
    ('sha256', [1], 'sha256=[1]'), ('images', 3, 'images=3 must be a string, or None'),
    ('categories', [1.5], 'categories=[1.5]'), ('instances', None, 'instances=None must be a string'),
    ('queries', 0, 'queries=0 must be a whole number, 1 or more'), ('images', '\ud800', 'is not a path'),
    ('images', 'a\0b', 'is not a path'), ('reading', None, 'reading=None must be a dict'),
    ('reading', dict(box_format='x'), "reading: box_format='x' is not one of"),
    ('reading', dict(image_sise=3), "reading: unknown setting 'image_sise'; valid: ")])
def test_wrong_entries_of_a_dumps_meta_are_named(tmp_path, key, value, message):
    path = tmp_path / 'dump.npz'
    meta = dict(ann_files=['x'], sha256=['0'], categories=None, images=None, instances='0', queries=1)
    np.savez(path, rows=np.array([[0, 1]]), points=np.zeros((1, 3, 2)), meta=np.array(json.dumps({**meta, key: value})))
    with pytest.raises(CapekitError) as error:
        load_predictions(path)
    assert f"{path}: the dump's meta: " in str(error.value) and message in str(error.value)
