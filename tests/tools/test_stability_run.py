"""The hook that shows a collapse: what it logs, and that the run stays the same."""

import json

import pytest
import torch


@pytest.mark.parametrize('overrides', [(), ('optim_wrapper.clip_grad.max_norm=0.001',)])
def test_a_run_logs_them_and_is_the_same_run(config, tool, tmp_path, overrides):
    plain = ['train', config, '--deterministic', '--no-validate', '--cfg-options', 'train_cfg.max_epochs=1', *overrides]
    assert tool(*plain, '--work-dir', tmp_path / 'plain')[0] == 0
    status, out, err = tool(*plain, 'default_hooks.stability.type=StabilityHook',
                            'default_hooks.stability.interval=2', '--work-dir',
                            tmp_path / 'watched')
    assert status == 0, err
    weights = [torch.load(tmp_path / name / 'epoch_1.pth', weights_only=True)['state_dict']
               for name in ('plain', 'watched')]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    (scalars,) = (tmp_path / 'watched').glob('*/vis_data/scalars.json')
    logged = [json.loads(line) for line in scalars.read_text().splitlines()]
    last = {name.removeprefix('stability/'): value for name, value in logged[-1].items() if 'stability' in name}
    assert set(last) == {'grad_norm', 'grad_norm_backbone', 'grad_norm_head', 'dead_units', 'token_spread',
                         'point_spread'}
    assert 'stability/grad_norm' not in logged[0] and last['grad_norm'] > 0.01  # before clipping
    assert last['grad_norm'] ** 2 == pytest.approx(last['grad_norm_backbone'] ** 2 + last['grad_norm_head'] ** 2)
    assert 0 <= last['dead_units'] < 1 and 0 < last['token_spread'] <= 1 and last['point_spread'] > 0
    assert 'stability/token_spread' in out
