"""Attention without a gradient takes another way to the same answer as torch's module."""

import pytest
import torch

from capekit.models.layers.joint_encoder import JointEncoder
from capekit.models.layers.matching import Matching
from capekit.models.layers.transformer import PostNormAttention


def _masks(masked, bias):
    """For 3 samples of 7 keys: the first sees all, the last sees one."""
    hidden = torch.arange(7) >= torch.tensor([7, 4, 1])[:, None]
    return (hidden if masked else None), (torch.randn(3, 2, 5, 7) if bias else None)


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('key_channels', [None, 16])
def test_the_same_with_and_without_a_gradient(key_channels, masked, bias):
    torch.manual_seed(0)
    attention = PostNormAttention(8, heads=2, key_channels=key_channels).eval()
    tokens, value = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    query, key = torch.randn(3, 5, key_channels or 8), torch.randn(3, 7, key_channels or 8)
    arguments = (tokens, query, key, value, *_masks(masked, bias))
    with torch.no_grad():
        torch.testing.assert_close(attention(*arguments), attention(*arguments))
        fast = attention(*arguments)
    torch.testing.assert_close(fast, attention(*arguments).detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize('same_for_all', [True, False])
def test_a_position_beside_the_key_is_concatenated(same_for_all):
    torch.manual_seed(0)
    attention = PostNormAttention(8, heads=2, key_channels=16).eval()
    tokens, query, key = torch.randn(3, 5, 8), torch.randn(3, 5, 16), torch.randn(3, 7, 8)
    position = torch.randn(7, 8).expand(3, -1, -1) if same_for_all else torch.randn(3, 7, 8)
    whole = attention(tokens, query, torch.cat((key, position), -1), key).detach()
    torch.testing.assert_close(attention(tokens, query, key, key, key_position=position).detach(), whole)
    with torch.no_grad():
        torch.testing.assert_close(attention(tokens, query, key, key, key_position=position), whole,
                                   atol=1e-6, rtol=1e-5)


def test_dropout_is_also_applied_without_a_gradient():
    attention = PostNormAttention(8, heads=2, dropout=0.5).train()
    tokens = torch.randn(3, 5, 8)
    with torch.no_grad():
        assert not torch.equal(*(attention(tokens, tokens, tokens, tokens) for _ in range(2)))


@pytest.mark.parametrize('at_once', [1, 2 ** 20])
@pytest.mark.parametrize('layers', [1, 2])
def test_the_first_layer_ahead(layers, at_once, monkeypatch):
    """Of images, for any tokens: also for those that are masked, all of them or none."""
    monkeypatch.setattr('capekit.models.layers.joint_encoder.LOGITS', at_once)
    torch.manual_seed(0)
    encoder = JointEncoder(layers, 8, heads=2, hidden=16, dropout=0.0).eval()
    pixels, position = 4 * torch.randn(3, 12, 8), torch.randn(12, 8).expand(3, -1, -1)
    tokens, identifiers = torch.randn(3, 5, 8), torch.randn(5, 8).expand(3, -1, -1)
    masked = torch.arange(5) >= torch.tensor([5, 2, 0])[:, None]
    with torch.no_grad():
        straight = encoder(pixels, position, tokens, identifiers, masked)
        ahead = encoder(pixels, position, tokens, identifiers, masked, encoder.ahead(pixels, position))
    for one, other in zip(ahead, straight, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_nothing_is_computed_ahead_with_a_gradient():
    matching = Matching(8, 2, 16, 0.0, layers=1)
    maps = torch.randn(2, 8, 3, 3)
    assert matching.ahead(maps) == {}
    with torch.no_grad():
        assert matching.ahead(maps).keys() == {'first_query', 'first_key', 'first_value', 'first_result', 'first_total'}
        assert Matching(8, 2, 16, 0.0, layers=1, encoder='detr').ahead(maps) == {}
        assert Matching(8, 2, 16, 0.0, layers=0).ahead(maps) == {}
