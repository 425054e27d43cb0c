"""EdgeCape's three stages as one run, which goes on where it was stopped."""

import json

import pytest
import torch

SETTINGS = """
model = dict(backbone=dict(name='resnet10t.c3_in1k', strides=(16,)),
             head=dict(channels=16, num_heads=2, hidden_channels=16, num_slots=20))
train_cfg = dict(max_epochs=6, val_interval=3)
custom_hooks = [dict(type='TrainingStagesHook', stages=dict(base=1, skeleton=1, bias=1), warmup=2)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=-1))
"""


@pytest.fixture
def staged(write_config, tmp_path):
    return write_config(tmp_path / 'staged.py', 'edgecape_r18_synthetic_1shot', SETTINGS)


def _weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def _changed(before, after):
    return {name.split('.')[1] for name in after
            if name.startswith('head.') and not torch.equal(before[name], after[name])}


def test_one_command_trains_the_stages_and_resumes(staged, tool, tmp_path):
    whole, again = tmp_path / 'whole', tmp_path / 'again'
    status, _, err = tool('train', staged, '--work-dir', whole, '--deterministic')
    assert status == 0, err
    epochs = [_weights(whole / f'epoch_{number}.pth') for number in range(1, 7)]
    projections = {'query_projection', 'support_projection'}
    assert _changed(epochs[0], epochs[1]) == {*projections, 'matching', 'decoder'}
    assert _changed(epochs[2], epochs[3]) == {*projections, 'matching', 'decoder', 'predictor', 'mask_token'}
    assert _changed(epochs[4], epochs[5]) == {'matching', 'decoder', 'mask_token'}
    log = next(whole.glob('*/vis_data/scalars.json')).read_text().splitlines()
    terms = [set(line) for line in map(json.loads, log) if 'loss' in line]
    assert 'adj_reconstruct_loss' not in terms[0] and 'adj_reconstruct_loss' in terms[-1]
    # From the middle of the second stage, and from its last checkpoint.
    for first in (3, 4):
        status, _, err = tool('train', staged, '--work-dir', again, '--deterministic', '--resume',
                              whole / f'epoch_{first}.pth')
        assert status == 0, err
        resumed = _weights(again / 'epoch_6.pth')
        assert all(torch.equal(resumed[name], value) for name, value in epochs[5].items())
    status, out, err = tool('test', staged, whole / 'epoch_2.pth', '--work-dir', tmp_path / 'test', '--cfg-options',
                            'model.head.stage=base')
    assert status == 0 and 'PCK@0.2' in out, err
