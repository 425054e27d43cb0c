"""Which checkpoint a run resumes from, what it refuses, and what a changed config does."""

import os
import shutil

import pytest
import torch

from capekit.checkpoint import read_checkpoint

OPTIONS = ('--no-validate', '--deterministic')


@pytest.fixture
def two(trained, tmp_path):
    """A work directory whose last checkpoint is that of epoch 2."""
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        shutil.copy(trained / name, work_dir)
    (work_dir / 'last_checkpoint').write_text(str(trained / 'epoch_2.pth'))
    return work_dir


def _resume(tool, config, work_dir, *arguments):
    return tool('train', config, '--work-dir', work_dir, *OPTIONS, '--resume', *arguments)


@pytest.mark.parametrize('break_it', [
    lambda path: path.write_bytes(b''), lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    lambda path: path.unlink(), lambda path: _spoil(path, 'state_dict', float('nan')),
    lambda path: torch.save([1], path)], ids=['empty', 'cut', 'gone', 'nan', 'other'])
def test_falls_back_to_the_newest_whole_one_and_says_so(config, two, trained, tool, break_it):
    (two / 'last_checkpoint').write_text(str(two / 'epoch_2.pth'))
    break_it(two / 'epoch_2.pth')
    status, out, err = _resume(tool, config, two, '--cfg-options', 'train_cfg.max_epochs=2')
    assert status == 0, err
    assert 'epoch_2.pth' in out and f'resuming from {two}/epoch_1.pth, the newest whole checkpoint' in out
    assert torch.equal(*(next(iter(read_checkpoint(folder / 'epoch_2.pth')['state_dict'].values()))
                         for folder in (two, trained)))


def _spoil(path, part, value):
    content = read_checkpoint(path)
    tensor = next(tensor for tensor in content[part].values() if tensor.is_floating_point())
    tensor[(0,) * tensor.dim()] = value
    torch.save(content, path)


def test_none_left_is_one_line(config, two, tool):
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        (two / name).write_bytes(b'')
    status, _, err = _resume(tool, config, two)
    assert status == 2 and f'--resume: no checkpoint in {two} (checkpoint {two}/epoch_2.pth' in err
    assert err.count('\n') == 1 and sorted(os.listdir(two)) == ['epoch_1.pth', 'epoch_2.pth', 'last_checkpoint']


def test_a_copied_folder_takes_its_own_checkpoints_and_leaves_the_others(config, trained, tmp_path, tool):
    original, copy = tmp_path / 'original', tmp_path / 'copy'
    arguments = ('--deterministic', '--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    assert tool('train', config, '--work-dir', original, *arguments)[0] == 0
    shutil.copytree(original, copy)
    before = {path.name: path.read_bytes() for path in original.glob('*.pth')}
    _spoil(original / 'epoch_1.pth', 'state_dict', float('nan'))
    # The best of the copy is replaced there: any validation is better than -1.
    content = read_checkpoint(copy / 'epoch_1.pth')
    content['message_hub']['runtime_info']['best_score'] = -1.0
    content['message_hub']['runtime_info'].pop('validated')
    torch.save(content, copy / 'epoch_1.pth')
    status, out, err = tool('train', config, '--work-dir', copy, '--deterministic', '--resume', '--cfg-options',
                            'train_cfg.max_epochs=2', 'train_cfg.val_interval=1')
    assert status == 0 and f'Load checkpoint from {copy}/epoch_1.pth' in out, err
    assert 'was not validated before the run ended: validating it now' in out
    names = {path.name for path in original.glob('*.pth')}
    assert names == set(before)
    assert [path.read_bytes() == before[path.name] for path in original.glob('best_*')] == [True]
    assert len(list(copy.glob('best_*'))) == 1


def test_the_last_checkpoint_knows_the_best_of_its_late_validation(config, tmp_path, tool):
    """Killed between the last validation's best file and the second writing of the last checkpoint."""
    arguments = ('--work-dir', tmp_path, '--deterministic')
    options = ('--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    assert tool('train', config, *arguments, *options)[0] == 0
    whole = read_checkpoint(tmp_path / 'epoch_1.pth')
    content = read_checkpoint(tmp_path / 'epoch_1.pth')
    for name in ('best_score', 'best_ckpt', 'validated'):
        del content['message_hub']['runtime_info'][name]
    torch.save(content, tmp_path / 'epoch_1.pth')
    status, _, err = tool('train', config, *arguments, '--resume', *options)
    assert status == 0, err
    infos = [one['message_hub']['runtime_info'] for one in (whole, read_checkpoint(tmp_path / 'epoch_1.pth'))]
    assert infos[0]['best_score'] == infos[1]['best_score'] and infos[1]['validated'] == 3


def test_a_broken_best_file_does_not_stay(config, two, tool):
    (two / 'best_PCK@0.2_epoch_1.pth').write_bytes(b'half')
    (two / '.epoch_3.pth.partial').write_bytes(b'half')
    status, out, err = _resume(tool, config, two)
    assert status == 0, err
    assert 'best_PCK@0.2_epoch_1.pth: not a readable checkpoint' in out and not list(two.glob('best_*'))
    assert not list(two.glob('.*.partial'))


@pytest.mark.parametrize(('options', 'message'), [
    (['optim_wrapper.optimizer.lr=5e-4'], 'lr was 0.001, is 0.0005'),
    (['optim_wrapper.optimizer.weight_decay=0.3'], 'weight_decay was 0.0001, is 0.3'),
    (['optim_wrapper.optimizer.type=Adam'], 'optimiser was AdamW, is Adam'),
    (['optim_wrapper.optimizer.type=SGD'], 'optimiser was AdamW, is SGD'),
    (['optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1'], 'number of parameter groups was 1, is '),
    (['param_scheduler.1.eta_min=1e-4'], 'CosineAnnealingLR.eta_min was 1e-05, is 0.0001'),
    (['param_scheduler.0.end=60'], 'LinearLR.total_iters was 49, is 59; LinearLR.end was 50, is 60'),
    (['param_scheduler=None'], 'number of param_scheduler was 2, is 0'),
    (['randomness.seed=5'], 'seed was 0, is 5'),
    (['train_dataloader.batch_size=2'], 'CosineAnnealingLR.T_max was 21, is 42'),
])
def test_a_changed_schedule_is_named(config, two, tool, options, message):
    before = sorted(os.listdir(two))
    status, _, err = _resume(tool, config, two, '--cfg-options', *options)
    assert status == 2 and 'the config has changed since: ' in err and message in err and err.count('\n') == 1
    # Beside the log of the attempt, nothing has changed: neither config nor checkpoint.
    assert [name for name in sorted(os.listdir(two)) if (two / name).is_file() and name != '.lock'] == before


def test_a_longer_run_follows_the_config(config, tmp_path, tool):
    """A schedule without an end of its own ended with the first run, and goes on with the second."""
    changed = tmp_path / 'config.py'
    changed.write_text(f"""
_base_ = {str(config)!r}
param_scheduler = [dict(type='MultiStepLR', milestones=[1, 3], gamma=0.1)]
""")
    rates = {}
    for name, lengths in (('whole', [4]), ('prolonged', [1, 4])):
        for epochs in lengths:
            resume = ['--resume'] if epochs == 4 and name == 'prolonged' else []
            status, _, err = tool('train', changed, '--work-dir', tmp_path / name, *OPTIONS, *resume, '--cfg-options',
                                  f'train_cfg.max_epochs={epochs}')
            assert status == 0, err
        content = read_checkpoint(tmp_path / name / 'epoch_4.pth')
        rates[name] = content['optimizer']['param_groups'][0]['lr'], content['param_schedulers']
    assert rates['whole'][0] == pytest.approx(1e-5) and rates['whole'] == rates['prolonged']


def test_a_seed_that_no_config_states_is_the_first_runs(config, two, trained, tool):
    content = read_checkpoint(two / 'epoch_2.pth')
    assert content['meta']['seed'] == 0
    status, _, err = _resume(tool, config, two, '--cfg-options', 'randomness.seed=None')
    assert status == 0, err
    assert torch.equal(*(next(iter(read_checkpoint(folder / 'epoch_3.pth')['state_dict'].values()))
                         for folder in (two, trained)))


def test_a_config_may_ask_to_resume_where_there_is_something(config, tmp_path, tool):
    options = ['--cfg-options', 'resume=True', 'train_cfg.max_epochs=1']
    for message in ('', 'Load checkpoint from'):
        status, out, err = tool('train', config, '--work-dir', tmp_path, *OPTIONS, *options)
        assert status == 0 and message in out, err


def test_nothing_in_a_checkpoint_runs_on_any_path(trained, config, tmp_path, tool):
    """Pickled code: resuming, the pointer, its fallback, load_from, testing, converting, replaying."""
    marker, evil = tmp_path / 'marker', tmp_path / 'evil.pth'

    class Code:
        def __reduce__(self):
            return os.mkdir, (str(marker),)
    content = read_checkpoint(trained / 'epoch_2.pth')
    content['meta']['extra'] = Code()
    torch.save(content, evil)
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    shutil.copy(evil, work_dir / 'epoch_2.pth')
    (work_dir / 'last_checkpoint').write_text(str(evil))
    for arguments in (['train', config, '--work-dir', work_dir, '--resume'],
                      ['train', config, '--work-dir', tmp_path / 'new', '--resume', evil],
                      ['train', config, '--work-dir', tmp_path / 'new', '--cfg-options', f'load_from={evil}'],
                      ['test', config, evil, '--work-dir', tmp_path / 'new'],
                      ['convert_checkpoint', 'capeformer', evil, tmp_path / 'ours.pth'],
                      ['replay', evil, config]):
        status, _, err = tool(*arguments)
        assert status == 2 and err.count('\n') == 1 and 'Traceback' not in err
    assert not marker.exists() and not (tmp_path / 'new').exists()
