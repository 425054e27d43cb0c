"""Training through the tool: what it leaves behind, and that a killed run resumes to the same weights."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from capekit.checkpoint import read_checkpoint


def _equal(a, b) -> bool:
    """Whether two nested structures of tensors are equal to the bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def _same_training(a, b) -> bool:
    a, b = read_checkpoint(a), read_checkpoint(b)
    return _equal(a['state_dict'], b['state_dict']) and _equal(a['optimizer'], b['optimizer'])


def test_what_a_run_leaves(trained, config):
    names = set(os.listdir(trained))
    assert {'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth', 'last_checkpoint', 'run.json', 'config.py'} <= names
    assert any(name.startswith('best_PCK@0.2') for name in names)
    run = json.loads((trained / 'run.json').read_text())
    assert run['command'][1] == str(config) and run['torch'] == torch.__version__
    # Weights-only loading, as in `read_checkpoint`, accepts everything in it.
    assert read_checkpoint(trained / 'epoch_3.pth')['message_hub']['log_scalars']['train/loss']['values']


def test_what_is_left_out_stands_in_the_log(config, small, tmp_path, tool):
    data = json.loads((small / 'annotations/train.json').read_text())
    data['annotations'][0]['area'] = 0
    (tmp_path / 'train.json').write_text(json.dumps(data))
    status, out, err = tool('train', config, '--work-dir', tmp_path / 'work', '--no-validate', '--cfg-options',
                            'train_cfg.max_epochs=1', f'train_dataloader.dataset.ann_file={tmp_path / "train.json"}')
    assert status == 0, err
    assert 'init_weights' not in out + err  # mmengine's lines about every parameter
    log, = tmp_path.glob('work/*/*.log')
    assert log.read_text().count('1 annotation(s) do not count: area 0 or less (of 18; first: 100 in train.json)') == 1


def test_killed_and_resumed_ends_in_the_same_weights(trained, config, repo, tmp_path, tool):
    process = subprocess.Popen(
        [sys.executable, str(repo / 'tools/train.py'), str(config), '--work-dir', str(tmp_path), '--deterministic'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    for line in process.stdout:
        if 'Epoch(train)' in line and '[2][2/3]' in line:  # in the middle of the second epoch
            process.send_signal(signal.SIGKILL)
            break
        assert time.monotonic() < deadline
    assert process.wait() == -signal.SIGKILL
    assert sorted(tmp_path.glob('epoch_*.pth')) == [tmp_path / 'epoch_1.pth']
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--deterministic', '--resume')
    assert status == 0, err
    assert _same_training(tmp_path / 'epoch_3.pth', trained / 'epoch_3.pth')


def test_a_checkpoint_runs_no_code(trained, config, tmp_path, tool):
    """mmengine parses the config that a checkpoint carries, as Python."""
    marker = tmp_path / 'marker'
    content = read_checkpoint(trained / 'epoch_2.pth')
    content['meta']['config'] = f"x = __import__('pathlib').Path({str(marker)!r}).write_text('ran')"
    evil = tmp_path / 'evil.pth'
    torch.save(content, evil)
    work_dir = tmp_path / 'work'
    for arguments in (['--resume', evil], ['--cfg-options', f'load_from={evil}', 'train_cfg.max_epochs=1']):
        status, _, err = tool('train', config, '--work-dir', work_dir, '--no-validate', *arguments)
        assert status == 0, err
    (work_dir / 'last_checkpoint').write_text(str(evil))
    assert tool('train', config, '--work-dir', work_dir, '--no-validate', '--resume')[0] == 0
    assert tool('test', config, evil, '--work-dir', work_dir)[0] == 0
    assert not marker.exists()


@pytest.mark.parametrize('arguments', [['--resume', '{}'], ['--cfg-options', 'load_from={}']])
def test_another_models_checkpoint_is_refused(trained, config, tmp_path, tool, arguments):
    content = read_checkpoint(trained / 'epoch_2.pth')
    name = next(iter(content['state_dict']))
    content['state_dict']['head.strange'] = content['state_dict'].pop(name)
    torch.save(content, tmp_path / 'other.pth')
    arguments = [argument.format(tmp_path / 'other.pth') for argument in arguments]
    status, _, err = tool('train', config, '--work-dir', tmp_path / 'work', '--no-validate', *arguments)
    assert status == 2 and 'is of another model: 1 parameters missing, 1 unknown' in err and err.count('\n') == 1


def test_rates_of_parts_survive_a_resume(config, tmp_path, tool):
    """Whether a run stops before or after the epoch in which the rate changes."""
    changed = tmp_path / 'config.py'
    changed.write_text(f"""
_base_ = {str(config)!r}
custom_hooks = [*_base_.custom_hooks, dict(type='PartRateHook', parts=['backbone'], factor=0.1, begin=1)]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1))))
""")
    options = ['--deterministic', '--no-validate']
    assert tool('train', changed, '--work-dir', tmp_path / 'whole', *options)[0] == 0
    rates = [group['lr'] for group in read_checkpoint(tmp_path / 'whole/epoch_3.pth')['optimizer']['param_groups']]
    assert min(rates) < 0.2 * max(rates)
    for epoch in (1, 2):
        status, _, err = tool('train', changed, '--work-dir', tmp_path / f'from{epoch}', *options, '--resume',
                              tmp_path / f'whole/epoch_{epoch}.pth')
        assert status == 0, err
        assert _same_training(tmp_path / f'from{epoch}/epoch_3.pth', tmp_path / 'whole/epoch_3.pth')


@pytest.mark.parametrize('hook', [
    "dict(type='EMAHook')", "dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True)"])
def test_a_config_that_replaces_custom_hooks_loses_nothing(config, trained, tmp_path, tool, hook):
    """Neither the plain checkpoints, which can be tested and resumed, nor the epoch seeds."""
    changed = tmp_path / 'config.py'
    changed.write_text(f"""
_base_ = {str(config)!r}
custom_hooks = [{hook}]
""")
    options = ['--deterministic', '--no-validate']
    status, _, err = tool('train', changed, '--work-dir', tmp_path / 'whole', *options)
    assert status == 0, err
    content = read_checkpoint(tmp_path / 'whole/epoch_3.pth')
    # The average is saved as the weights; the weights it was made from are those of a run without it.
    assert not _equal(content['state_dict'], content['ema_state_dict'])
    plain = {name: value for name, value in content['ema_state_dict'].items() if name.startswith('module.')}
    assert _equal({name.removeprefix('module.'): value for name, value in plain.items()},
                  read_checkpoint(trained / 'epoch_3.pth')['state_dict'])
    assert tool('test', changed, tmp_path / 'whole/epoch_3.pth', '--work-dir', tmp_path / 'test')[0] == 0
    status, _, err = tool('train', changed, '--work-dir', tmp_path / 'resumed', *options, '--resume',
                          tmp_path / 'whole/epoch_2.pth')
    assert status == 0, err
    assert _same_training(tmp_path / 'resumed/epoch_3.pth', tmp_path / 'whole/epoch_3.pth')


def test_two_workers_train_as_none(trained, config, tmp_path, tool):
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--deterministic', '--cfg-options',
                          'train_dataloader.num_workers=2', 'train_cfg.max_epochs=1')
    assert status == 0, err
    assert _same_training(tmp_path / 'epoch_1.pth', trained / 'epoch_1.pth')


@pytest.mark.slow
def test_two_processes_log_the_losses_of_one(config, tmp_path, tool, in_processes):
    """Of the whole batch, not of the first process's half.

    BatchNorm takes its statistics from the images of its own process, the one difference there is (torch's
    SyncBatchNorm refuses CPUs); ConvNeXt has LayerNorm. Dropout draws other numbers in each process.
    """
    options = ['--no-validate', '--cfg-options', 'model.backbone.name=convnext_atto.d2_in1k', 'model.head.dropout=0']
    assert tool('train', config, '--work-dir', tmp_path / 'one', *options)[0] == 0
    in_processes('train', config, 2, '--work-dir', tmp_path / 'two', *options, 'train_dataloader.batch_size=2')
    one, two = ({name: scalar['values'] for name, scalar in
                 read_checkpoint(tmp_path / name / 'epoch_3.pth')['message_hub']['log_scalars'].items()
                 if 'loss' in name} for name in ('one', 'two'))
    assert one.keys() == two.keys() and len(one['train/loss']) == 9
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=1e-4), name


def test_seed_changes_the_run(trained, config, tmp_path, tool):
    assert tool('train', config, '--work-dir', tmp_path, '--seed', '5', '--no-validate', '--cfg-options',
                'train_cfg.max_epochs=1')[0] == 0
    assert not _same_training(tmp_path / 'epoch_1.pth', trained / 'epoch_1.pth')
    assert not list(tmp_path.glob('best_*'))


def test_amp_trains_in_bfloat16_on_cpu(config, tmp_path, tool):
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--amp', '--no-validate', '--cfg-options',
                          'train_cfg.max_epochs=1')
    assert status == 0, err
    weights = read_checkpoint(tmp_path / 'epoch_1.pth')['state_dict']
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--resume'], 'no checkpoint in'),
    (['--resume', 'none.pth'], 'checkpoint none.pth: no such file'),
    (['--cfg-options', 'model.head.decoder_layer=1'], "did you mean 'decoder_layers'"),
    (['--cfg-options', 'model.backbone.weights=none.pth'], "backbone weights 'none.pth': no such file"),
    (['--cfg-options', 'train_dataloader.dataset.ann_file=none.json'], 'none.json: cannot read the annotation file'),
    (['--cfg-options', 'train_dataloader.sampler.shots=0'], 'shots=0'),
    (['--cfg-options', 'train_dataloader.sampler.shots=6'], 'categories have too few instances'),
    (['--cfg-options', 'train_dataloader.dataset.images=elsewhere'], 'image files are missing'),
])
def test_bad_input_is_one_line_and_nothing_is_written(config, tmp_path, tool, arguments, message):
    work_dir = tmp_path / 'work'
    status, _, err = tool('train', config, '--work-dir', work_dir, *arguments)
    assert status == 2
    lines = err.strip().splitlines()
    assert lines[-1].startswith('error: ') and message in lines[-1] and 'Traceback' not in err
    assert not work_dir.exists()


def test_the_rate_is_scaled_by_the_total_batch(config, tmp_path, tool):
    """The schedule's rate is for 16; here batches are 4, added up by two."""
    options = ['--no-validate', '--cfg-options', 'train_cfg.max_epochs=1', 'param_scheduler=None']
    rates = {}
    for name, more in dict(plain=[], scaled=['--auto-scale-lr'],
                           added=['optim_wrapper.accumulative_counts=2', '--auto-scale-lr']).items():
        status, _, err = tool('train', config, '--work-dir', tmp_path / name, *options, *more)
        assert status == 0, err
        rates[name] = read_checkpoint(tmp_path / name / 'epoch_1.pth')['optimizer']['param_groups'][0]['lr']
    assert rates['scaled'] == rates['plain'] / 4 and rates['added'] == rates['plain'] / 2
    status, _, err = tool('train', config, '--work-dir', tmp_path / 'none', '--auto-scale-lr', '--cfg-options',
                          'auto_scale_lr=None')
    assert status == 2 and 'does not state auto_scale_lr.base_batch_size' in err


def test_a_scaled_run_resumes_with_the_same_scale_only(config, tmp_path, tool):
    options = ['--work-dir', tmp_path, '--no-validate', '--deterministic']
    status, _, err = tool('train', config, *options, '--auto-scale-lr', '--cfg-options', 'train_cfg.max_epochs=1')
    assert status == 0, err
    status, _, err = tool('train', config, *options, '--resume')
    assert status == 2 and 'lr' in err, err
    status, _, err = tool('train', config, *options, '--auto-scale-lr', '--resume')
    assert status == 0, err
