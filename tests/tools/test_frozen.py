"""A method without anything to train is tested without a checkpoint; no other method is, and it cannot be trained."""

import json

import pytest

SETTINGS = """
_base_ = {base!r}
_data = dict(data_root={root!r}, image_size=64)
train_dataloader = dict(dataset=_data)
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=_data, sampler=dict(queries=2, episodes=3))
del _data
model = dict(backbone=dict(name='resnet10t.c3_in1k', weights=None))
"""


@pytest.fixture
def frozen(small, repo, tmp_path):
    """A config of feature matching on `small`."""
    path = tmp_path / 'frozen.py'
    path.write_text(SETTINGS.format(base=str(repo / 'configs/synthetic/matching_lite0_synthetic_1shot.py'),
                                    root=str(small)))
    return path


def test_it_is_tested_without_a_checkpoint(frozen, tool, tmp_path):
    status, out, err = tool('test', frozen, '--work-dir', tmp_path, '--shots', 2)
    assert status == 0 and 'PCK@0.2' in out, err
    report = json.loads((tmp_path / 'test_2shot.json').read_text())
    assert report['rows'] == 3 * 3 * 2 and report['source']['checkpoint'] is None


def test_training_it_is_refused_in_one_line(frozen, tool, tmp_path):
    status, _, err = tool('train', frozen, '--work-dir', tmp_path / 'work')
    assert status == 2 and err.startswith('error: config ') and 'FeatureMatchingHead has nothing to train' in err
    assert err.count('\n') == 1 and not (tmp_path / 'work').exists()


def test_copying_has_nothing_to_train(small, tool, tmp_path):
    config, data = 'configs/synthetic/copying_synthetic_1shot.py', f'dataset.data_root={small}'
    options = ['--cfg-options', f'train_dataloader.{data}', f'val_dataloader.{data}', f'test_dataloader.{data}']
    status, out, err = tool('test', config, '--work-dir', tmp_path, '--episodes', 2, '--queries', 2, *options)
    assert status == 0 and 'PCK@0.2' in out, err
    status, _, err = tool('train', config, '--work-dir', tmp_path / 'work', *options)
    assert status == 2 and 'CopyingEstimator has nothing to train' in err and err.count('\n') == 1


def test_a_method_that_trains_needs_a_checkpoint(config, tool, tmp_path):
    status, _, err = tool('test', config, '--work-dir', tmp_path / 'work')
    assert status == 2 and 'has parameters to train: name a checkpoint after it' in err and err.count('\n') == 1
    assert not (tmp_path / 'work').exists()
