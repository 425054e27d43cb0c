"""Testing through the tool: the same numbers however it is run, a dump that scores the same, bad input named."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from capekit.apis import init_estimator


@pytest.fixture(scope='module')
def checkpoint(trained):
    return trained / 'epoch_3.pth'


def _overall(path) -> dict:
    return {name: metric['value'] for name, metric in json.loads(path.read_text())['overall']['metrics'].items()}


def test_report_dump_and_images(config, checkpoint, tmp_path, tool):
    status, out, err = tool('test', config, checkpoint, '--work-dir', tmp_path, '--shots', 2, '--dump',
                            tmp_path / 'dump.npz', '--show-dir', tmp_path / 'show')
    assert status == 0, err
    assert 'PCK@0.2' in out and 'mPCK@.05:.20' in out and '95% interval' in out
    report = json.loads((tmp_path / 'test_2shot.json').read_text())
    assert report['shots'] == 2 and report['rows'] == 3 * 3 * 2 and len(report['categories']) == 3
    assert 'rank correlation of scores with errors' in out and -1 <= report['score_correlation'] <= 1
    assert len(list((tmp_path / 'show').glob('*.png'))) == 3 * 4 and (tmp_path / 'show/index.html').is_file()
    dump = np.load(tmp_path / 'dump.npz')
    assert dump['scores'].shape == dump['points'].shape[:2] and dump['scores'].dtype == np.float32
    assert np.array_equal(np.isnan(dump['scores']), np.isnan(dump['points'][..., 0]))
    assert json.loads(str(dump['meta']))['queries'] == 2
    status, _, err = tool('analysis/score', tmp_path / 'dump.npz', '--json', tmp_path / 'again.json')
    assert status == 0, err
    assert _overall(tmp_path / 'again.json') == _overall(tmp_path / 'test_2shot.json')
    assert json.loads((tmp_path / 'again.json').read_text())['score_correlation'] == report['score_correlation']


def test_a_report_of_other_episodes_is_not_replaced(config, checkpoint, tmp_path, tool):
    arguments = ['test', config, checkpoint, '--work-dir', tmp_path]
    assert tool(*arguments)[0] == tool(*arguments)[0] == 0
    before = (tmp_path / 'test_1shot.json').read_bytes()
    for more in (['--episodes', 1], ['--queries', 1], ['--cfg-options', 'test_dataloader.dataset.categories=[21]']):
        status, out, err = tool(*arguments, *more)
        assert status == 0, err
        other = Path(re.search('report: (.*)', out)[1])
        assert other.is_file() and (tmp_path / 'test_1shot.json').read_bytes() == before
    assert len(list(tmp_path.glob('test_1shot*.json'))) == 4
    (tmp_path / 'test_1shot.json').write_text('[]')
    status, _, err = tool(*arguments)
    assert status == 2 and 'test_1shot.json: not a report' in err


def test_images_go_to_the_backends_of_a_config(config, checkpoint, tmp_path, tool):
    visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    (tmp_path / 'seen.py').write_text(f'_base_ = {str(config)!r}\nvisualizer = {visualizer}\n')
    status, _, err = tool('test', tmp_path / 'seen.py', checkpoint, '--work-dir', tmp_path / 'work', '--show-dir',
                          tmp_path / 'show')
    assert status == 0, err
    copies = sorted((tmp_path / 'work').glob('*/vis_data/vis_image/*.png'))
    assert len(copies) == 3 * 4 and copies[0].stem.startswith('21_test21_best_')


def test_without_intervals(config, checkpoint, tmp_path, tool):
    status, out, err = tool('test', config, checkpoint, '--work-dir', tmp_path, '--cfg-options',
                            'test_evaluator.resamples=0')
    assert status == 0 and 'PCK@0.2' in out and '95% interval' not in out, err
    metric = json.loads((tmp_path / 'test_1shot.json').read_text())['overall']['metrics']['PCK@0.2']
    assert list(metric) == ['value']


@pytest.mark.parametrize('option', ['drop_last=True', 'pin_memory=True'])
def test_options_that_a_test_has_no_use_for(config, checkpoint, tmp_path, tool, option):
    status, _, err = tool('test', config, checkpoint, '--work-dir', tmp_path / 'work', '--cfg-options',
                          f'test_dataloader.{option}')
    assert status == 2 and err.startswith('error: test_dataloader: unknown option') and 'valid: batch_size' in err
    assert err.count('\n') == 1 and not (tmp_path / 'work').exists()


def test_plain_loop_workers_and_parts_give_the_same(config, checkpoint, tmp_path, tool):
    dumps = {}
    for name, options in dict(
            kept=[], pairs=['test_cfg.keep_features=False'], parts=['test_cfg.max_images=4'],
            workers=['test_dataloader.num_workers=2']).items():
        extra = ['--cfg-options', *options] if options else []
        dump = tmp_path / f'{name}.npz'
        assert tool('test', config, checkpoint, '--work-dir', tmp_path, '--dump', dump, *extra)[0] == 0
        dumps[name] = np.load(dump)
    for name in ('pairs', 'parts', 'workers'):
        np.testing.assert_allclose(dumps[name]['points'], dumps['kept']['points'], atol=1e-3)
        np.testing.assert_allclose(dumps[name]['scores'], dumps['kept']['scores'], atol=1e-5)


def test_mixed_precision(config, checkpoint, tmp_path, tool):
    dumps = []
    for option in ([], ['--amp']):
        dump = tmp_path / f'{len(option)}.npz'
        status, _, err = tool('test', config, checkpoint, '--work-dir', tmp_path, '--dump', dump, *option)
        assert status == 0, err
        dumps.append(np.load(dump)['points'])
    apart = np.nanmax(np.abs(dumps[0] - dumps[1]))
    assert 0 < apart < 5  # of 40 pixels


def test_two_processes_score_as_one(config, checkpoint, tmp_path, tool, in_processes):
    assert tool('test', config, checkpoint, '--work-dir', tmp_path / 'one')[0] == 0
    in_processes('test', config, checkpoint, 2, '--work-dir', tmp_path / 'two')
    one, two = ((tmp_path / name / 'test_1shot.json').read_text() for name in ('one', 'two'))
    assert json.loads(one)['categories'] == json.loads(two)['categories']


def test_validation_stage(config, checkpoint, tmp_path, tool):
    assert tool('test', config, checkpoint, '--work-dir', tmp_path, '--stage', 'val', '--episodes', 1)[0] == 0
    names = {category['name'] for category in json.loads((tmp_path / 'val_1shot.json').read_text())['categories']}
    assert all(name.startswith('val') for name in names)


def test_a_config_without_validation_is_named(config, checkpoint, tmp_path, tool):
    status, _, err = tool('test', config, checkpoint, '--work-dir', tmp_path / 'work', '--stage', 'val',
                          '--cfg-options', 'val_dataloader=None', 'val_cfg=None', 'val_evaluator=None')
    assert status == 2 and 'has no validation data' in err and len(err.strip().splitlines()) == 1


def test_the_report_goes_where_training_left_the_checkpoint(config, checkpoint, tmp_path, tool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = tmp_path / 'left'
    left.mkdir()
    for name in ('epoch_3.pth', 'last_checkpoint'):
        shutil.copy(checkpoint.parent / name, left)
    assert tool('test', config, left / 'epoch_3.pth', '--shots', 2, '--episodes', 1)[0] == 0
    assert (left / 'test_2shot.json').is_file()
    (left / 'last_checkpoint').unlink()  # a checkpoint from elsewhere
    assert tool('test', config, left / 'epoch_3.pth', '--shots', 2, '--episodes', 1)[0] == 0
    assert (tmp_path / 'work_dirs/config/test_2shot.json').is_file()


def _broken_copy(small, tmp_path, change):
    """A copy of the data set with something broken in it."""
    root = tmp_path / 'data'
    shutil.copytree(small, root)
    change(root)
    return [f'test_dataloader.dataset.data_root={root}']


def _truncate(root):
    path = next((root / 'images/test21').glob('*.jpg'))
    path.write_bytes(path.read_bytes()[:700])


def _short_keypoints(root):
    path = root / 'annotations/test.json'
    data = json.loads(path.read_text())
    data['annotations'][0]['keypoints'].pop()
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(('change', 'message'), [
    (lambda root: (root / 'annotations/test.json').unlink(), 'test.json: cannot read the annotation file'),
    (lambda root: (root / 'annotations/test.json').write_text('{"images": ['), 'test.json: invalid JSON at line 1'),
    (lambda root: (root / 'images/test21/0.jpg').unlink(), '1 of 18 image files are missing'),
    (_short_keypoints, 'keypoint'),
    (_truncate, 'truncated'),
], ids=['missing file', 'invalid JSON', 'missing image', 'wrong keypoint count', 'truncated JPEG'])
@pytest.mark.parametrize('workers', [0, 2])
def test_broken_data_is_one_line(config, checkpoint, small, tmp_path, tool, change, message, workers):
    options = _broken_copy(small, tmp_path, change)
    status, _, err = tool('test', config, checkpoint, '--work-dir', tmp_path / 'work', '--cfg-options', *options,
                          f'test_dataloader.num_workers={workers}')
    line = err.strip().splitlines()[-1]
    assert status == 2 and line.startswith('error: ') and message in line and 'Traceback' not in err
    assert not list(tmp_path.glob('work/*.json')) or change is _truncate


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--shots', 0], '--shots 0: must be'), (['--shots', 6], 'too few instances'),
    (['--episodes', 0], '--episodes 0: must be'),
    (['--cfg-options', 'model.head.channels=32'], 'is of another model'),
])
def test_bad_arguments_are_one_line(config, checkpoint, tmp_path, tool, arguments, message):
    status, _, err = tool('test', config, checkpoint, '--work-dir', tmp_path / 'work', *arguments)
    assert status == 2 and err.startswith('error: ') and message in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / 'work').exists()


def test_convert_checkpoint(tmp_path, tool):
    torch.save({'fc.weight': torch.zeros(1)}, tmp_path / 'foreign.pth')
    status, _, err = tool('convert_checkpoint', 'capeformer', tmp_path / 'foreign.pth', tmp_path / 'out.pth')
    assert status == 2 and "not a released file of capeformer: no place for parameter 'fc.weight'" in err
    assert os.listdir(tmp_path) == ['foreign.pth']


@pytest.mark.parametrize('method', ['capeformer', 'fmmp', 'pomnet'])
def test_a_published_file_becomes_ours(method, shared, repo, tmp_path, tool):
    """As authors publish it: a state dict along with other remains of training."""
    keys = json.loads(str(np.load(shared / f'reference/parity/{method}_1shot.npz')['keys']))
    state = {name: torch.full((), 0.25).expand(shape) for name, shape in keys}
    torch.save(dict(state_dict=state, meta=dict(epoch=200), optimizer=dict(state={})), tmp_path / 'published.pth')
    status, out, err = tool('convert_checkpoint', method, tmp_path / 'published.pth', tmp_path / 'ours.pth')
    assert status == 0 and 'ours.pth: ' in out, err
    name = f'{method}-release' if method == 'fmmp' else method
    config = repo / f'configs/{method}/{name}_r50_mp100.py'
    estimator = init_estimator(config, tmp_path / 'ours.pth')
    assert all((parameter == 0.25).all() for parameter in estimator.parameters())
