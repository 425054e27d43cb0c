"""A loss that is not finite ends a run and can be looked into; one that is 0 because nothing is labelled is said."""

import json
import shutil

import pytest
import torch

from capekit.checkpoint import read_checkpoint

RUINOUS = ['--cfg-options', 'optim_wrapper.optimizer.lr=1e30', 'optim_wrapper.clip_grad.max_norm=1e30',
           'param_scheduler=None']


def test_a_loss_that_is_not_finite(config, tmp_path, tool):
    work_dir = tmp_path / 'work'
    status, out, err = tool('train', config, '--work-dir', work_dir, '--no-validate', *RUINOUS)
    assert status == 2 and err.strip().splitlines()[-1].startswith('error: iteration 2 (epoch 1): the loss is ')
    file = work_dir / 'not_finite_iter2.pt'
    assert "episodes 'train" in err and f'weights and batch are in {file}' in err
    assert not list(work_dir.glob('*.pth'))
    content = read_checkpoint(file)
    assert len(content['batch']['query_images']) == 4 and content['meta']['iter'] == 1
    # The same numbers are not finite when it is run again, with the config kept beside it.
    status, out, err = tool('replay', file, work_dir / 'config.py')
    assert status == 0, err
    assert out.startswith("iteration 2, epoch 1: episodes 'train") and 'nan' in out
    assert 'modules with an output that is not finite, in order: backbone' in out


def test_a_replayed_batch_gives_the_loss_of_training(config, tmp_path, tool, monkeypatch):
    """Dropout included: the loss is made infinite after it was computed."""
    from capekit.engine.finite import FiniteLossHook
    seen = []
    real = FiniteLossHook._check_before

    def third(hook, wrapper, runner):
        real(hook, wrapper, runner)
        checked = wrapper.update_params

        def update(loss, *args, **kwargs):
            seen.append(float(loss.detach()))
            checked(loss * float('inf') if len(seen) == 3 else loss, *args, **kwargs)
        wrapper.update_params = update
    monkeypatch.setattr(FiniteLossHook, '_check_before', third)
    assert tool('train', config, '--work-dir', tmp_path, '--no-validate')[0] == 2
    status, out, err = tool('replay', tmp_path / 'not_finite_iter3.pt', tmp_path / 'config.py')
    assert status == 0, err
    terms = [float(line.split(': ')[1]) for line in out.splitlines() if 'loss' in line.split(': ')[0]]
    assert sum(terms) == pytest.approx(seen[-1], rel=1e-4)


def test_weights_that_are_not_finite_are_not_saved(config, tmp_path, tool, monkeypatch):
    """The last step before a checkpoint ruins them, so that no loss has shown it."""
    def ruin(optimiser, closure=None):
        optimiser.param_groups[0]['params'][0].data.fill_(float('inf'))
    monkeypatch.setattr(torch.optim.AdamW, 'step', ruin)
    status, _, err = tool('train', config, '--work-dir', tmp_path, '--no-validate', '--cfg-options',
                          'train_dataloader.num_batch_per_epoch=1')
    assert status == 2 and 'iteration 1 (epoch 1): 1 parameters are not finite' in err
    assert not list(tmp_path.glob('*.pth'))


def test_other_files_cannot_be_replayed(config, trained, tool):
    status, _, err = tool('replay', trained / 'epoch_1.pth', config)
    assert status == 2 and 'epoch_1.pth: holds no batch' in err and err.count('\n') == 1


@pytest.mark.parametrize('command', ['test', 'train'])
def test_weights_that_are_not_finite_are_refused(config, trained, tmp_path, tool, command):
    content = read_checkpoint(trained / 'epoch_1.pth')
    name = next(name for name, value in content['state_dict'].items() if value.is_floating_point())
    tensor = content['state_dict'][name]
    tensor[(0,) * tensor.dim()] = float('nan')
    torch.save(content, tmp_path / 'nan.pth')
    arguments = [tmp_path / 'nan.pth'] if command == 'test' else ['--cfg-options', f'load_from={tmp_path}/nan.pth']
    status, _, err = tool(command, config, '--work-dir', tmp_path / 'work', *arguments)
    assert status == 2 and f'hold values that are not finite, e.g. {name!r}' in err and err.count('\n') == 1
    assert not (tmp_path / 'work').exists()


def test_a_loss_of_0_is_explained(config, small, tmp_path, tool):
    root = tmp_path / 'data'
    shutil.copytree(small, root)
    path = root / 'annotations/train.json'
    data = json.loads(path.read_text())
    for number, annotation in enumerate(data['annotations']):
        # Every second keypoint in every second instance: no support and query share one.
        for k in range(len(annotation['keypoints']) // 3):
            annotation['keypoints'][3 * k + 2] = 2 if k == number % 2 else 0
    path.write_text(json.dumps(data))
    status, out, err = tool('train', config, '--work-dir', tmp_path / 'work', '--no-validate', '--cfg-options',
                            f'train_dataloader.dataset.data_root={root}', 'train_cfg.max_epochs=1',
                            'train_dataloader.batch_size=1', 'train_dataloader.sampler.episodes_per_category=6')
    assert status == 0, err
    assert 'the loss was exactly 0 in ' in out and ' of 18 batches of epoch 1: no keypoint is labelled' in out
