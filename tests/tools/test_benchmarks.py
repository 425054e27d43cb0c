"""The benchmark of methods on generated data, at its smallest."""

import json

import pytest

from capekit.commands.benchmark_synthetic import stretched
from capekit.engine.config import load_config


def test_methods_at_one_budget(small, tool, tmp_path):
    arguments = ['--data', small, '--work-dir', tmp_path, '--methods', 'copy', 'protonet', '--shots', 1, '--queries', 2,
                 '--episodes', 2, '--epochs', 1, '--cfg-options', 'model.backbone.name=resnet10t.c3_in1k',
                 'train_dataloader.sampler.episodes_per_category=2', 'train_dataloader.batch_size=3']
    status, out, err = tool('analysis/benchmark_synthetic', *arguments)
    assert status == 0, err
    assert '1 epochs of training' in out and (tmp_path / 'results.md').read_text() in out
    results = json.loads((tmp_path / 'results.json').read_text())
    assert [(record['method'], record['rows']) for record in results['records']] == [('copy', 12), ('protonet', 12)]
    assert results['records'][1]['epochs'] == 1 and 'low' in results['records'][1]['metrics']['PCK@0.2']
    trained = (tmp_path / 'protonet/epoch_1.pth').stat().st_mtime_ns
    arguments[arguments.index('--episodes') + 1] = 3  # the number of test episodes does not change the training
    assert tool('analysis/benchmark_synthetic', *arguments)[0] == 0
    assert [record['rows'] for record in json.loads((tmp_path / 'results.json').read_text())['records']] == [18, 18]
    assert (tmp_path / 'protonet/epoch_1.pth').stat().st_mtime_ns == trained


def test_schedules_are_stretched_to_the_budget(repo):
    config = load_config(repo / 'configs/synthetic/fmmp_r18_synthetic_1shot.py')
    epochs, hooks = config.train_cfg.max_epochs, config.custom_hooks[-2:]
    assert config.param_scheduler[1].end == epochs and 0 < hooks[0].end == hooks[1].begin < epochs
    half = load_config(config, stretched(config, epochs // 2))
    assert half.train_cfg.max_epochs == half.param_scheduler[1].end == epochs // 2
    assert half.param_scheduler[0].end == config.param_scheduler[0].end  # iterations
    assert half.custom_hooks[-2].end == half.custom_hooks[-1].begin == round(hooks[0].end / 2)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--methods', 'protnet'], 'valid: copy, capeformer'), (['--epochs', 0], 'above 0'),
    (['--epochs', 1, '--minutes', 1], 'not allowed with'),
])
def test_wrong_arguments_are_named(tool, tmp_path, arguments, message):
    status, _, err = tool('analysis/benchmark_synthetic', '--work-dir', tmp_path / 'work', *arguments)
    assert status == 2 and message in err and not (tmp_path / 'work').exists()


def test_costs_of_a_method_under_a_backbone(tool):
    status, out, err = tool('analysis/costs', '--methods', 'matching_lite0', '--backbones', 'EfficientNet-Lite0')
    assert status == 0 and '| matching | 3.0 M, 1.9 G' in out, err
    status, _, err = tool('analysis/costs', '--methods', 'resnet')
    assert status == 2 and err == 'error: --methods resnet: no such file in configs/_base_/models\n'
