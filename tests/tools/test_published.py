"""A file with the names of a published checkpoint, converted and tested, both through the tools."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / 'models'))
from released_cases import read_case  # noqa: E402

SETTINGS = """
_base_ = {base!r}
_data = dict(data_root={root!r}, images='images')
train_dataloader = dict(dataset=dict(_data, ann_file='annotations/train.json'))
val_dataloader = dict(dataset=dict(_data, ann_file='annotations/val.json'))
test_dataloader = dict(num_workers=0, persistent_workers=False, sampler=dict(queries=1, episodes=1),
                       dataset=dict(_data, ann_file='annotations/test.json'))
del _data
"""


@pytest.mark.slow
@pytest.mark.parametrize(('method', 'config'), [('graphcape', 'graphcape/graphcape_swinv2-t_mp100.py'),
                                                ('edgecape', 'edgecape/edgecape_dinov2-s_mp100.py')])
def test_a_converted_file_is_tested(shared, small, repo, tool, tmp_path, method, config):
    _, state = read_case(shared, f'{method}_1shot')
    torch.save(dict(state_dict=state, meta=dict(epoch=1)), tmp_path / 'theirs.pth')
    status, out, err = tool('convert_checkpoint', method, tmp_path / 'theirs.pth', tmp_path / 'ours.pth')
    assert status == 0 and 'tensors' in out, err
    path = tmp_path / 'config.py'
    path.write_text(SETTINGS.format(base=str(repo / 'configs' / config), root=str(small)))
    status, out, err = tool('test', path, tmp_path / 'ours.pth', '--work-dir', tmp_path / 'work')
    assert status == 0 and 'PCK@0.25' in out, err
