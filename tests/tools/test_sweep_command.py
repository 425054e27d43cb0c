"""A sweep with the real commands, on tiny data."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from one_table import one_table

OPTIONS = [
    'image_size=32', 'model.backbone.name=resnet10t.c3_in1k', 'model.backbone.strides=[16]', 'model.head.channels=16',
    'model.head.num_heads=2', 'model.head.hidden_channels=16', 'train_dataloader.batch_size=4',
    *(f'{stage}_dataloader.num_workers=0' for stage in ('train', 'val', 'test')),
    'train_dataloader.sampler.episodes_per_category=4', 'val_dataloader.sampler.queries=2',
    'test_dataloader.sampler.queries=2', 'val_dataloader.sampler.episodes=2', 'test_dataloader.sampler.episodes=3',
    'train_cfg.max_epochs=2', 'train_cfg.val_interval=2']


@pytest.mark.slow
def test_killed_while_training_and_resumed(tool, repo, small, tmp_path):
    arguments = ['configs/papers.yml', '--select', 'capeformer/table4/expectation', '--data', 'synthetic',
                 '--data-root', small, '--out', tmp_path, '--cfg-options', *OPTIONS]
    killed = subprocess.Popen([sys.executable, str(repo / 'tools/sweep.py'), *map(str, arguments)], cwd=repo,
                              start_new_session=True, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob('runs/*/epoch_1.pth')):
        time.sleep(0.05)
        assert killed.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    status, out, err = tool('sweep', *arguments)
    assert status == 0 and '1 rows, 1 of them to do, by 1 trainings' in out, err
    path = tmp_path / 'capeformer/table4/expectation/seed0.json'
    record = json.loads(path.read_text())
    assert record['train_attempts'] == 2 and record['train_seconds'] > 0 and record['train_memory_mib'] > 100
    assert record['published'] == {'PCK@0.2': 89.41} and record['metrics']['PCK@0.2'].keys() == {'value', 'low', 'high'}
    assert record['changes'] == {'model.head.heatmap_weight': 0} and record['parent'] == 'capeformer/table4/both'
    assert record['cfg_options']['train_cfg.max_epochs'] == 2 and record['schedule'].startswith('2 epochs; ')
    assert 'learning rate scaled from batches of 16' in record['schedule']
    assert record['train_categories'] == 3
    assert record['ms_per_query'] == pytest.approx(1000 * record['test_seconds'] / 18)
    assert record['parameters'] > record['flops'] / 1000 > 1000 and record['seed'] == 0
    assert all(len(sha) == 64 for part in ('train', 'test') for sha in record['data'][part].values())
    assert json.loads((path.parent / record['report']).read_text())['overall']['metrics'] == record['metrics']
    assert np.load(path.parent / record['dump'])['rows'].shape == (record['queries'], 2) == (18, 2)
    assert (path.parent / record['checkpoint']).name == 'epoch_2.pth' and (path.parent / record['curve']).is_file()
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob('*') if file.is_file()}
    assert '0 of them to do' in tool('sweep', *arguments)[1]
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob('*') if file.is_file()}


@pytest.mark.slow
def test_on_the_processes_of_torchrun_with_nothing_to_train(repo, small, tmp_path):
    (tmp_path / 'mine.yml').write_text(one_table(
        row='label: row, config: configs/synthetic/matching_lite0_synthetic_1shot.py'))
    options = ['image_size=32', 'model.backbone.weights=None', *(one for one in OPTIONS if one.startswith('test_'))]
    arguments = [tmp_path / 'mine.yml', '--seeds', 2, '--data-root', small, '--out', tmp_path, '--cfg-options',
                 *options]
    done = subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2',
                           str(repo / 'tools/sweep.py'), *map(str, arguments)], cwd=tmp_path, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('capekit test') == done.stdout.count('== finished') == 2
    for seed in (0, 1):
        record = json.loads((tmp_path / f'mine/t/row/seed{seed}.json').read_text())
        assert record['train_categories'] is None and record['schedule'] == 'nothing to train'
        assert record['ms_per_query'] > 0


def test_what_there_is_to_do(tool, tmp_path):
    status, out, err = tool('sweep', 'configs/papers.yml', '--select', 'fmmp/table2', '--data', 'synthetic', '--list',
                            '--out', tmp_path)
    assert status == 0 and 'fmmp/table2/fmmp ' in out and 'capekit does not have this method' in out, err
    status, _, err = tool('sweep', 'configs/papers.yml', '--select', 'capeformer/tabel3', '--out', tmp_path)
    assert status == 2 and err.count('\n') == 1 and 'near: capeformer/table3' in err
    status, _, err = tool('sweep', 'configs/papers.yml', '--slurm', 'timeout_min=60')
    assert status == 2 and '--slurm is for --executor slurm' in err
    assert not list(tmp_path.iterdir())
