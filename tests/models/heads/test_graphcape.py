"""GraphCape's options, and what it makes of a skeleton."""

import pytest
import torch
from asking import ask

from capekit.errors import CapekitError
from capekit.models.heads import GraphCapeHead

SMALL = dict(in_channels=(16,), channels=16, num_heads=2, hidden_channels=16, heatmap_size=16)
CHAIN = torch.tensor([[0, 1], [1, 2], [1, 3]])


def _answer(links, seed=0, order=None, **options):
    """Points (B, K, 2) of an episode with these links."""
    torch.manual_seed(seed)
    head = GraphCapeHead(**SMALL, **options).eval()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    points, visible = torch.rand(1, 4, 2), torch.ones(1, 4, dtype=torch.bool)
    support, query = torch.randn(1, 16, 4, 4), torch.randn(1, 16, 4, 4)
    if order is not None:
        points = points[:, order]
    encoded = {name: value[:, None] for name, value in head.encode_support([support], points, visible).items()}
    return ask(head, encoded, head.encode_query([query]), torch.tensor([4]), [links]).points


@pytest.mark.parametrize('option', ['graph', 'normalisation', 'similarity_error'])
def test_unknown_choice_names_the_valid_ones(option):
    with pytest.raises(CapekitError, match=f"{option}='wrong' is not one of .*,"):
        GraphCapeHead(**SMALL, **{option: 'wrong'})


def test_the_two_normalisations_differ_where_degrees_do():
    assert not torch.allclose(_answer(CHAIN), _answer(CHAIN, normalisation='textbook'), atol=1e-5)
    pair = torch.tensor([[0, 1], [2, 3]])
    torch.testing.assert_close(_answer(pair), _answer(pair, normalisation='textbook'))


def test_repeated_links_change_nothing():
    torch.testing.assert_close(_answer(torch.cat((CHAIN, CHAIN.flip(1)))), _answer(CHAIN))


def test_without_links_nobody_hears_anybody():
    none = torch.zeros(0, 2, dtype=torch.long)
    assert _answer(none).isfinite().all() and not torch.allclose(_answer(none), _answer(CHAIN), atol=1e-5)


def test_a_tree_stands_in_for_missing_links_where_asked():
    none = torch.zeros(0, 2, dtype=torch.long)
    torch.testing.assert_close(_answer(CHAIN, missing_links='spanning_tree'), _answer(CHAIN))
    assert not torch.allclose(_answer(none, missing_links='spanning_tree'), _answer(none), atol=1e-5)


def test_the_base_model_ignores_links():
    torch.testing.assert_close(_answer(CHAIN, graph='none'), _answer(CHAIN[:1], graph='none'))


def test_nothing_depends_on_a_keypoints_place_in_the_list():
    order = torch.tensor([2, 0, 3, 1])
    place = order.argsort()
    torch.testing.assert_close(_answer(place[CHAIN], order=order), _answer(CHAIN)[:, order])


def test_the_start_is_the_released_one():
    """Xavier-uniform weights, no biases, output MLPs that change nothing."""
    head = GraphCapeHead(**SMALL)
    for name, parameter in head.named_parameters():
        if name.endswith('bias'):
            assert not parameter.any(), name
    assert not any(mlp[-1].weight.any() for mlp in head.decoder.offset_mlps)
    weight = head.decoder.layers[0].feed_forward.expand.weight  # (32, 16)
    assert weight.abs().max() <= (6 / (32 + 16)) ** 0.5 and weight.std() > 0.1
