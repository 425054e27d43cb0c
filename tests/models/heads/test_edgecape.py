"""EdgeCape's stages, its predicted weights, and what is hidden while training."""

import pytest
import torch
from asking import ask

from capekit.errors import CapekitError
from capekit.models.heads import EdgeCapeHead
from capekit.models.layers import powers_of

SMALL = dict(in_channels=(16,), channels=16, num_heads=2, hidden_channels=16, heatmap_size=16, num_slots=12)
CHAIN = torch.tensor([[0, 1], [1, 2], [1, 3]])
NONE = torch.zeros(0, 2, dtype=torch.long)


def _head(**options):
    torch.manual_seed(0)
    return EdgeCapeHead(**SMALL, **options)


def _answer(head, links, slots=4):
    generator = torch.Generator().manual_seed(1)
    points, visible = torch.rand(1, slots, 2, generator=generator), torch.ones(1, slots, dtype=torch.bool)
    support, query = (torch.randn(1, 16, 4, 4, generator=generator) for _ in range(2))
    encoded = {name: value[:, None] for name, value in head.encode_support([support], points, visible).items()}
    return ask(head, encoded, head.encode_query([query]), torch.tensor([slots]), [links])


def test_a_stage_keeps_every_parameter_and_says_which_learn():
    heads = {stage: _head(stage=stage) for stage in ('base', 'skeleton', 'bias')}
    names = [dict(head.named_parameters()) for head in heads.values()]
    assert names[0].keys() == names[1].keys() == names[2].keys()
    learn = {stage: {name for name, parameter in head.named_parameters() if parameter.requires_grad}
             for stage, head in heads.items()}
    bias = {name for name in names[0] if '.bias_mlp.' in name}
    unread = {name for name in names[0] if name.startswith('predictor.layers.2.pixels.')}
    assert learn['skeleton'] == names[0].keys() - bias - unread and len(unread) == 10
    assert learn['base'] == {name for name in learn['skeleton'] if not name.startswith(('predictor.', 'mask_token'))}
    assert learn['bias'] == {name for name in names[0] if not name.startswith(
        ('predictor.', 'query_projection.', 'support_projection.'))}


def test_the_first_stage_has_the_given_links_and_the_paper_starts_from_them():
    expected = torch.zeros(4, 4)
    expected[CHAIN.T[0], CHAIN.T[1]] = expected[CHAIN.T[1], CHAIN.T[0]] = 1
    for options in (dict(stage='base'), dict(edge_start='paper')):
        torch.testing.assert_close(_answer(_head(**options).eval(), CHAIN).extras['adjacency'][0], expected)
    assert _head().predictor.edge.weight.abs() > 0 and not _head().predictor.edge.bias.any()


def test_links_are_predicted_where_a_category_has_none():
    head = _head().eval()
    torch.nn.init.constant_(head.predictor.edge.weight, 1.0)
    torch.nn.init.constant_(head.predictor.edge.bias, 0.1)
    weights = _answer(head, NONE).extras['adjacency'][0]
    assert weights.any() and (weights >= 0).all() and not weights.isnan().any()
    assert not _answer(_head(stage='base').eval(), NONE).extras['adjacency'].any()


def test_powers_start_with_the_identity():
    matrix = torch.tensor([[[0., 2], [1, 0]]])
    powers = powers_of(matrix, 2)
    torch.testing.assert_close(powers[0], torch.stack((torch.eye(2), torch.tensor([[0., 1], [1, 0]]), torch.eye(2))))


@pytest.mark.parametrize(('count', 'hidden'), [(0, 0), (3, 0), (4, 1), (10, 3), (12, 3)])
def test_a_share_is_hidden_of_what_every_support_sees(count, hidden):
    head, mask = _head(), torch.arange(12)[None] < count
    kept = torch.cat([head._kept(mask) for _ in range(20)])
    assert (kept.sum(1) == count - hidden).all() and not (kept & ~mask).any()
    assert not hidden or len(kept.unique(dim=0)) > 1


def test_nothing_is_reconstructed_in_evaluation_or_in_the_first_stage():
    for stage, training, expected in (('bias', False, False), ('base', True, False), ('skeleton', True, True)):
        answer = _answer(_head(stage=stage).train(training), CHAIN)
        assert ('reconstructed' in answer.extras) is expected


def test_the_reconstruction_teaches_the_token_and_the_graph_alone():
    head = _head(stage='skeleton').train()
    _answer(head, CHAIN).extras['reconstructed'].sum().backward()
    reached = {name.split('.')[0] for name, parameter in head.named_parameters() if parameter.grad is not None}
    assert reached <= {'mask_token', 'predictor', 'support_projection'} and 'mask_token' in reached


def test_more_slots_than_the_predictor_sees():
    with pytest.raises(CapekitError, match='EdgeCapeHead: 13 keypoint slots, but num_slots=12; raise it'):
        _answer(_head(), NONE, slots=13)
