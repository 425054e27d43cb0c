"""Names of released parameters: all are known, none is lost."""

import json
import re

import numpy as np
import pytest
import torch

from capekit.apis import init_estimator
from capekit.errors import CapekitError
from capekit.interop import CONVERTERS, convert

CONFIGS = dict(capeformer='capeformer/capeformer_r50_mp100.py', edgecape='edgecape/edgecape_dinov2-s_mp100.py',
               fmmp='fmmp/fmmp-release_r50_mp100.py', graphcape='graphcape/graphcape_swinv2-t_mp100.py',
               pomnet='pomnet/pomnet_r50_mp100.py')


@pytest.fixture(params=sorted(CONVERTERS))
def released(request, shared):
    """A method and a state dict with its published names; views of a single zero, so that its file is small."""
    keys = json.loads(str(np.load(shared / f'reference/parity/{request.param}_1shot.npz')['keys']))
    return request.param, {name: torch.zeros(()).expand(shape) for name, shape in keys}


def test_every_name_of_a_released_file_has_a_place(released, repo):
    method, state = released
    state = convert(method, state)
    own = init_estimator(repo / 'configs' / CONFIGS[method]).state_dict()
    assert {name: value.shape for name, value in state.items()} == {name: value.shape for name, value in own.items()}


def test_foreign_content_is_refused():
    with pytest.raises(CapekitError, match="'yolo' is not one of capeformer"):
        convert('yolo', {})
    with pytest.raises(CapekitError, match="^a.pth: not a released file of capeformer: no place for .* 'fc.weight'$"):
        convert('capeformer', {'fc.weight': torch.zeros(1)}, 'a.pth')
    with pytest.raises(CapekitError, match="^a.pth: .*GraphCape's older Small model"):
        convert('graphcape', {'backbone.upsample.weight': torch.zeros(1)}, 'a.pth')
    with pytest.raises(CapekitError, match="^a.pth: .*EdgeCape's first release"):
        name = 'keypoint_head_module.transformer.decoder.layers.0.ffn1.conv.weight'
        convert('edgecape', {name: torch.zeros(1536, 1, 1)}, 'a.pth')
    with pytest.raises(CapekitError, match='no state dict'):
        convert('capeformer', {'state_dict': {}})
    with pytest.raises(CapekitError, match='^a.pth: .* of capeformer: .* differs from the one'):
        convert('capeformer', {'encoder_sample.conv1.weight': torch.zeros(1),
                               'encoder_query.conv1.weight': torch.ones(1)}, 'a.pth')


@pytest.mark.parametrize('method', sorted(CONVERTERS))
def test_a_file_that_is_converted_already_is_told_so(method, repo):
    own = init_estimator(repo / 'configs' / CONFIGS[method]).state_dict()
    with pytest.raises(CapekitError, match=rf'^a.pth: not a released file of {method}: .*; it has names of capekit'):
        convert(method, own, 'a.pth')


def test_what_a_graphcape_file_holds_besides_parameters_is_left_out(shared, repo):
    case = np.load(shared / 'reference/parity/graphcape_1shot.npz')
    given = [(name, shape) for key in ('keys', 'tables') for name, shape, *_ in json.loads(str(case[key]))]
    state = convert('graphcape', {name: torch.zeros(()).expand(shape) for name, shape in given})
    assert state.keys() == init_estimator(repo / 'configs' / CONFIGS['graphcape']).state_dict().keys()


def test_an_edgecape_file_of_an_early_stage_gets_a_bias_network(shared, repo):
    case = np.load(shared / 'reference/parity/edgecape_1shot.npz')
    early = {}
    for name, shape in json.loads(str(case['keys'])):
        if 'markov_structural_mlp' not in name and not re.search(r'self_attn\.[kv]_proj\.', name):
            name = re.sub(r'self_attn\.q_proj\.(weight|bias)', r'self_attn.in_proj_\1', name)
            early[name] = torch.zeros(()).expand([3 * shape[0], *shape[1:]] if 'decoder' in name and 'in_proj' in name
                                                 and shape[0] == 256 else shape)
    state = convert('edgecape', early)
    own = init_estimator(repo / 'configs' / CONFIGS['edgecape']).state_dict()
    assert {name: value.shape for name, value in state.items()} == {name: value.shape for name, value in own.items()}
    networks = {name: value for name, value in state.items() if '.bias_mlp.' in name}
    assert len(networks) == 12 and networks['head.decoder.layers.2.bias_mlp.0.weight'].abs().max() > 0
