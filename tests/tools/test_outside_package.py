"""A package outside the repository: its head, backbone, data, augmentation, evaluator and hook are used like ours."""

import json
import os
import subprocess
import sys

import pytest

from capekit.checkpoint import read_checkpoint

MODULES = dict(
    __init__='from . import data, evaluation, hooks, network\n',
    network='''
import torch
from torch import nn

from capekit.registry import MODELS
from capekit.structures import Prediction


@MODELS.register_module()
class TwoConvolutions(nn.Module):
    def __init__(self, width: int = 8):
        super().__init__()
        self.channels = (width,)
        self.layers = nn.Sequential(nn.Conv2d(3, width, 5, 4, 2), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1))

    def forward(self, images):
        return [self.layers(images)]


@MODELS.register_module()
class SupportMeanHead(nn.Module):
    """The supports' mean points, moved by what the two images look like."""

    def __init__(self, in_channels, hidden: int = 16):
        super().__init__()
        self.move = nn.Sequential(nn.Linear(2 * in_channels[0], hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def encode_support(self, maps, points, visible):
        return dict(points=points, look=maps[0].mean((2, 3)))

    def encode_query(self, maps):
        return dict(look=maps[0].mean((2, 3)))

    def prepare(self, support, task):
        return dict(points=support['points'].mean(1), look=support['look'].mean(1))

    def answer(self, state, query):
        points = state['points'] + self.move(torch.cat((state['look'], query['look']), -1))[:, None]
        return Prediction(points=points, scores=torch.ones_like(points[..., 0]), extras={})

    def loss(self, prediction, episode):
        error = (prediction.points - episode.query_points).abs().sum(-1)
        return dict(loss_points=(error * episode.query_visible).sum() / episode.query_visible.sum().clamp(min=1))
''',
    data='''
from capekit.datasets import Geometry, MP100Dataset, Transform
from capekit.registry import DATASETS, TRANSFORMS


@DATASETS.register_module()
class DarkDataset(MP100Dataset):
    def __init__(self, *args, light: float = 0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.light = light

    def crop(self, i, rng=None):
        crop = super().crop(i, rng)
        crop.image = (crop.image * self.light).astype(crop.image.dtype)
        return crop


@TRANSFORMS.register_module()
class RandomShift(Transform):
    def __init__(self, most: float = 0.1):
        self.most = most

    def geometry(self, rng):
        return Geometry(shift=tuple(rng.uniform(-self.most, self.most, 2).tolist()))
''',
    evaluation='''
import numpy as np

from capekit.registry import EVALUATOR


@EVALUATOR.register_module()
class WorstPoint:
    def __init__(self, unit: float = 1.0):
        self.unit = unit

    def evaluate(self, dataset, plan, points, scores):
        truth = dataset.keypoints[plan.queries][..., :points.shape[2], :2]
        worst = float(np.nanmax(np.linalg.norm(points - truth, axis=-1))) / self.unit
        return dict(overall=dict(metrics=dict(worst=dict(value=worst))), episodes=len(plan))
''',
    hooks='''
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class CountingHook(Hook):
    def __init__(self, file: str):
        self.file, self.iterations = file, 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.iterations += 1

    def after_train(self, runner):
        Path(runner.work_dir, self.file).write_text(str(self.iterations))
''')
CONFIG = '''
_base_ = {base!r}
custom_imports = dict(imports=['outsider'], allow_failed_imports=False)
_data = dict(type='DarkDataset', light=0.8)
train_dataloader = dict(dataset=dict(
    _data, augment=dict(_delete_=True, type='RandomShift', most=0.05)))
val_dataloader = dict(dataset=_data)
test_dataloader = dict(dataset=_data)
model = dict(backbone=dict(_delete_=True, type='TwoConvolutions', width=6),
             head=dict(_delete_=True, type='SupportMeanHead', hidden=12))
val_evaluator = dict(_delete_=True, type='WorstPoint')
test_evaluator = dict(_delete_=True, type='WorstPoint', unit=10.0)
default_hooks = dict(checkpoint=dict(save_best='worst', rule='less'))
custom_hooks = [dict(type='CountingHook', file='iterations.txt', priority='LOW')]
train_cfg = dict(max_epochs=1, val_interval=1)
'''
TYPOS = '''
import json, sys
from capekit.engine.config import load_config
from capekit.errors import CapekitError
for options in json.loads(sys.argv[2]):
    try:
        load_config(sys.argv[1], options)
        print('accepted')
    except CapekitError as error:
        print(error)
'''


@pytest.fixture(scope='module')
def package(config, tmp_path_factory):
    """(folder of the package, config that uses it)."""
    folder = tmp_path_factory.mktemp('elsewhere')
    (folder / 'outsider').mkdir()
    for name, source in MODULES.items():
        (folder / f'outsider/{name}.py').write_text(source)
    path = folder / 'outside.py'
    path.write_text(CONFIG.format(base=str(config)))
    return folder, path


@pytest.fixture(scope='module')
def run(package, repo):
    """Run Python where the package can be found and, apart from the repository, nothing else; returns stdout."""
    def run(*arguments, status=0):
        environment = dict(os.environ, PYTHONPATH=f'{repo}{os.pathsep}{package[0]}')
        done = subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True,
                              cwd=package[0], timeout=200)
        assert done.returncode == status, done.stderr[-3000:]
        return done.stdout + done.stderr
    return run


def test_trained_and_tested_like_ours(package, run, repo, tmp_path):
    run(repo / 'tools/train.py', package[1], '--work-dir', tmp_path / 'work')
    assert (tmp_path / 'work/iterations.txt').read_text() == '3'
    checkpoint = tmp_path / 'work/epoch_1.pth'
    assert [path.name for path in (tmp_path / 'work').glob('best_*')] == ['best_worst_epoch_1.pth']
    assert 'head.move.0.weight' in read_checkpoint(checkpoint)['state_dict']
    run(repo / 'tools/test.py', package[1], checkpoint, '--work-dir', tmp_path, '--dump', tmp_path / 'dump.npz',
        '--show-dir', tmp_path / 'show')
    report = json.loads((tmp_path / 'test_1shot.json').read_text())
    assert report['episodes'] == 3 * 3 and report['overall']['metrics']['worst']['value'] > 0
    assert len(list((tmp_path / 'show').glob('*.png'))) == 3 * 4 and (tmp_path / 'show/index.html').is_file()


def test_checked_like_ours(package, run):
    cases = [({}, 'accepted'),
             ({'model.head.hiden': 1}, "model.head: unknown option 'hiden' for SupportMeanHead; did you mean 'hidden'"),
             ({'model.backbone.widht': 1}, "unknown option 'widht' for TwoConvolutions; did you mean 'width'"),
             ({'model.head.type': 'SupportMeanHed'}, "'SupportMeanHed' is not a known model; did you mean SupportMean"),
             ({'test_dataloader.dataset.ligth': 1}, "unknown option 'ligth' for DarkDataset; did you mean 'light'"),
             ({'test_dataloader.dataset.ann_fiel': 1}, "for DarkDataset; did you mean 'ann_file'"),
             ({'train_dataloader.dataset.augment.mots': 1}, "unknown option 'mots' for RandomShift; did you mean 'mos"),
             ({'train_dataloader.dataset.augment.type': 'Mirror'}, "'Mirror' is not a known transform"),
             ({'test_evaluator.unti': 1}, "unknown option 'unti' for WorstPoint; did you mean 'unit'"),
             ({'custom_hooks.0.fiel': 1}, "unknown option 'fiel' for CountingHook; did you mean 'file'"),
             ({'custom_imports.imports': ['outsidre']}, "Failed to import outsidre (ModuleNotFoundError")]
    lines = run('-c', TYPOS, package[1], json.dumps([options for options, _ in cases])).splitlines()
    for (_, message), line in zip(cases, lines, strict=True):
        assert message in line
