"""The runner: what it provides whatever a config says, and mmengine's options, which must reach their targets."""

import itertools

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset, SequentialSampler

from capekit.engine import EpochSeedHook, PlainCheckpointHook, ProgressBarHook
from capekit.engine.config import load_config
from capekit.engine.runner import CapeRunner, build_runner
from capekit.errors import CapekitError
from capekit.models.backbones import TimmPyramid


@pytest.fixture
def runner():
    """A runner without hooks and model."""
    runner = CapeRunner.__new__(CapeRunner)
    runner._hooks, runner.cfg = [], Config(dict())
    with DefaultScope.overwrite_default_scope('capekit'):
        yield runner


def _names(runner) -> list:
    return [type(hook).__name__ for hook in runner._hooks]


OWN = ['EpochSeedHook', 'PlainCheckpointHook', 'ProgressBarHook']


@pytest.mark.parametrize('custom', [
    None, [], [dict(type='EMAHook')], [dict(type=name) for name in OWN], [dict(type=OWN[1]), dict(type='EMAHook')],
    [dict(type=f'capekit.{OWN[0]}')], [ProgressBarHook()]])
def test_own_hooks_are_there_once(runner, custom):
    runner.register_hooks(custom_hooks=custom)
    names = _names(runner)
    assert all(names.count(name) == 1 for name in OWN) and names[-1] == 'PlainCheckpointHook'
    # At the positions that the first release's list of custom hooks gave them.
    assert names.index('EpochSeedHook') == names.index('RuntimeInfoHook') + 1
    assert names.index('ProgressBarHook') == names.index('ParamSchedulerHook') + 1


class QuietBar(ProgressBarHook):
    pass


def test_a_config_may_put_its_own_in_their_place(runner):
    runner.register_hooks(custom_hooks=[QuietBar(), dict(type='EpochSeedHook', priority='HIGHEST')])
    assert 'ProgressBarHook' not in _names(runner) and _names(runner)[0] == 'EpochSeedHook'
    assert [sum(isinstance(hook, own) for hook in runner._hooks)
            for own in (EpochSeedHook, PlainCheckpointHook, ProgressBarHook)] == [1, 1, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason='the process group of this test is for CPUs')
@pytest.mark.parametrize(('options', 'expected'), [
    (dict(), False), (dict(find_unused_parameters=True), True),
    (dict(model_wrapper_cfg=dict(find_unused_parameters=True, broadcast_buffers=False)), True),
    (dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel')), False)])
def test_wrapper_options_arrive_without_a_gpu(runner, tmp_path, monkeypatch, options, expected):
    monkeypatch.setenv('LOCAL_RANK', '0')
    runner.cfg, runner._distributed = Config(options), True
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/meet', rank=0, world_size=1)
    try:
        wrapped = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), nn.Linear(2, 2))
        assert type(wrapped).__name__ == 'MMDistributedDataParallel'
        assert wrapped.find_unused_parameters == expected
        assert wrapped.broadcast_buffers == ('broadcast_buffers' not in options.get('model_wrapper_cfg', ()))
    finally:
        torch.distributed.destroy_process_group()


def test_what_does_not_learn_is_not_wrapped(runner):
    runner._distributed, model = True, nn.Identity()
    assert runner.wrap_model(None, model) is model


def test_joined_statistics_change_no_answer(runner, monkeypatch):
    """Not even of timm's layers that have an activation in their BatchNorm."""
    monkeypatch.setattr(Runner, 'wrap_model', lambda self, wrapper, model: (self.cfg.get('sync_bn'), model))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    runner.cfg, runner._distributed = Config(dict(sync_bn='torch')), True
    torch.manual_seed(0)
    backbone, images = TimmPyramid('tf_efficientnet_lite0', (8, 16)).eval(), torch.rand(1, 3, 64, 64)
    expected = backbone(images)
    left, joined = runner.wrap_model(None, backbone)
    torch.testing.assert_close(joined(images), expected)
    layers = [layer for layer in joined.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    assert left is None and runner.cfg.sync_bn == 'torch'
    assert layers and all(isinstance(layer, nn.SyncBatchNorm) for layer in layers)


class Numbers(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, number):
        return number


@pytest.mark.parametrize(('batches', 'expected'), [(2, [[0, 1, 2], [3, 4, 5]]), (None, 7), (100, 7)])
@pytest.mark.parametrize('given', [True, False])
def test_an_epoch_of_so_many_batches(batches, expected, given):
    sampler = SequentialSampler(Numbers()) if given else dict(type='DefaultSampler', shuffle=False)
    loader = CapeRunner.build_dataloader(dict(
        dataset=Numbers(), sampler=sampler, batch_size=3, num_batch_per_epoch=batches,
        collate_fn=dict(type='default_collate')))
    assert len(loader) == (expected if isinstance(expected, int) else len(expected))
    if isinstance(expected, list):
        assert [batch.tolist() for batch in itertools.islice(loader, 9)] == expected
    assert CapeRunner.build_dataloader(loader) is loader


def test_other_runners_are_refused(repo, tmp_path):
    config = load_config(repo / 'configs/synthetic/protonet_r18_synthetic_1shot.py', dict(runner_type='Runner'))
    with pytest.raises(CapekitError, match='runner_type Runner is not a subclass of capekit.engine.runner.CapeRunner'):
        build_runner(config, ['train'], tmp_path / 'work')
    config.runner_type = 'CapeRuner'
    with pytest.raises(CapekitError, match="runner_type: 'CapeRuner' is not a known runner; did you mean CapeRunner"):
        build_runner(config, ['train'], tmp_path / 'work')
