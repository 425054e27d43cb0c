"""Commands that measure costs, at their smallest."""

import json

from capekit.reports.complexity import complexity_table


def test_costs_of_a_method_under_a_backbone(tool):
    status, out, err = tool('analysis/costs', '--methods', 'matching_lite0', '--backbones', 'EfficientNet-Lite0')
    assert status == 0 and '| matching | 3.0 M, 1.9 G' in out, err
    status, _, err = tool('analysis/costs', '--methods', 'resnet')
    assert status == 2 and err == 'error: --methods resnet: no such file in configs/_base_/models\n'


def test_complexity_of_a_config(tool, repo, tmp_path):
    config, other = 'configs/matching/matching_lite0_mp100.py', tmp_path / 'other_mp100.py'
    other.write_text(f"_base_ = '{repo / config}'\ntest_cfg = dict(max_images=10)\n")
    status, out, err = tool('analysis/complexity', config, other, '--shots', 1, '--rounds', 1, '--keypoints', 3,
                            '--json', tmp_path / 'out.json')
    assert status == 0 and '| matching_lite0 ' in out and '| other ' in out, err
    result = json.loads((tmp_path / 'out.json').read_text())
    record, same = result['records']
    assert result['rates']['flops'] > 1e8 and result['rates']['read_bytes'] > 1e7
    assert record['config'] == config and record['shots']['1']['parameters'] == 2958848
    assert same == dict(record, config=str(other))  # time and memory too: the model was measured once


def test_configs_that_cost_the_same_are_one_row():
    cost = dict(parameters=2e6, backbone_parameters=1e6, support_flops=1e9, query_flops=2e9, query_ms=7, products_ms=4,
                memory_mib=500)
    records = [dict(config=f'configs/{folder}/{name}.py', shots={'1': {**cost, 'query_ms': 7 + number}})
               for number, (folder, name) in enumerate((('a', 'a-long_r50_mp100'), ('a', 'a_r50_mp100'),
                                                        ('b', 'b_r50_mp100')))]
    table = complexity_table(dict(records=records))
    assert table.count('\n| ') == 2 and '| a_r50    |' in table
    assert '|              8 |                 4 |' in table and '| b_r50' in table
    assert table.endswith('\n\nThe same as `a_r50`: `a-long_r50`.')


def test_speed_of_crops(tool):
    status, out, err = tool('analysis/crop_speed', '--images', 1)
    assert status == 0 and out.count('crops per CPU second') == 5, err


def test_growth_of_costs(tool, repo, tmp_path):
    name = str(repo / 'configs/synthetic/matching_lite0_synthetic_1shot.py')
    status, out, err = tool('analysis/cost_growth', tmp_path / 'growth.png', name)
    assert status == 0 and out.count(name) == 12, err
    assert (tmp_path / 'growth.png').read_bytes().startswith(b'\x89PNG')
