"""The benchmark of methods on generated data, at its smallest."""

import json

import pytest

from capekit.commands.benchmark_synthetic import stretched
from capekit.engine.config import load_config
from capekit.reports.complexity import complexity_table


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


def test_complexity_of_a_config(tool, tmp_path):
    config = 'configs/matching/matching_lite0_mp100.py'
    status, out, err = tool('analysis/complexity', config, '--shots', 1, '--rounds', 1, '--keypoints', 3, '--json',
                            tmp_path / 'out.json')
    assert status == 0 and '| matching_lite0 ' in out, err
    (record,) = json.loads((tmp_path / 'out.json').read_text())['records']
    assert record['config'] == config and record['shots']['1']['parameters'] == 2958848


def test_configs_that_cost_the_same_are_one_row():
    cost = dict(parameters=2e6, backbone_parameters=1e6, support_flops=1e9, query_flops=2e9, query_ms=7, memory_mib=500)
    records = [dict(config=f'configs/{folder}/{name}.py', shots={'1': {**cost, 'query_ms': 7 + number}})
               for number, (folder, name) in enumerate((('a', 'a-long_r50_mp100'), ('a', 'a_r50_mp100'),
                                                        ('b', 'b_r50_mp100')))]
    table = complexity_table(dict(records=records))
    assert table.count('\n| ') == 2 and '| a_r50    |' in table and '|              8 |' in table and '| b_r50' in table
    assert table.endswith('\n\nThe same as `a_r50`: `a-long_r50`.')


def test_speed_of_crops(tool):
    status, out, err = tool('analysis/crop_speed', '--images', 1)
    assert status == 0 and out.count('crops per CPU second') == 5, err


def test_growth_of_costs(tool, repo, tmp_path):
    name = str(repo / 'configs/synthetic/matching_lite0_synthetic_1shot.py')
    status, out, err = tool('analysis/cost_growth', tmp_path / 'growth.png', name)
    assert status == 0 and out.count(name) == 4, err
    assert (tmp_path / 'growth.png').read_bytes().startswith(b'\x89PNG')
