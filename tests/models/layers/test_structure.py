"""The prior structure: what equation 8 can and cannot do to it, and what counts as an edge."""

import pytest
import torch

from capekit.models.layers import (
    AttentionStructure,
    ConcatenationStructure,
    GlobalStructure,
    edge_density,
    sparsity,
    structure_edges,
)

PREDICTORS = dict(attention=lambda: AttentionStructure(16, 4), concatenation=lambda: ConcatenationStructure(16),
                  glob=lambda: GlobalStructure(16, 12))


def _inputs():
    torch.manual_seed(0)
    valid = torch.ones(2, 8, dtype=torch.bool)
    valid[1, 5:] = False
    return torch.randn(2, 8, 16), valid


@pytest.mark.parametrize('kind', PREDICTORS)
def test_rows_are_distributions_over_valid_keypoints(kind):
    tokens, valid = _inputs()
    structure = PREDICTORS[kind]()(tokens, valid)
    torch.testing.assert_close(structure.sum(-1), valid.float())
    assert not structure[1, :, 5:].any() and (structure >= 0).all()
    assert not torch.allclose(structure[0, 0], structure[0, 1])  # keypoints listen to different keypoints


@pytest.mark.parametrize('kind', PREDICTORS)
def test_the_literal_norm_is_constant_and_the_balanced_form_acts(kind):
    """Rows of softmaxes have L1 norm 1: equation 8 to the letter is 1 / K, with no gradient."""
    tokens, valid = _inputs()
    predictor = PREDICTORS[kind]()
    gradients = {}
    for form in ('l1', 'balanced'):
        value = sparsity(predictor(tokens, valid), valid, form)
        if form == 'l1':
            torch.testing.assert_close(value, torch.tensor([1 / 8, 1 / 5]))
        gradients[form] = torch.cat([g.flatten() for g in torch.autograd.grad(value.sum(), predictor.parameters())])
    assert gradients['l1'].abs().max() < 1e-3 * gradients['balanced'].abs().max()


def test_the_balanced_form_is_least_for_few_edges_either_way():
    valid = torch.ones(1, 9, dtype=torch.bool)
    pairs, everyone, one = torch.eye(9).roll(1, 0)[None], torch.full((1, 9, 9), 1 / 9), torch.eye(9)[:1].expand(1, 9, 9)
    for structure, expected in ((pairs, 1 / 9), (everyone, 1 / 3), (one, 1 / 3)):
        torch.testing.assert_close(sparsity(structure, valid), torch.tensor([expected]), atol=1e-3, rtol=0)


def test_the_balanced_form_thins_a_structure_without_a_hub():
    torch.manual_seed(0)
    logits, valid = torch.randn(1, 10, 10, requires_grad=True), torch.ones(1, 10, dtype=torch.bool)
    before = edge_density(logits.softmax(-1), valid)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        sparsity(logits.softmax(-1), valid).mean().backward()
        optimizer.step()
    structure = logits.softmax(-1)
    assert edge_density(structure, valid) < 0.5 * before
    assert structure.sum(1).max() < 4  # of 10 that one keypoint could have


def test_the_gradient_is_finite_where_a_strength_is_zero():
    logits = torch.tensor([[[0.0, -200.0], [0.0, 0.0]]], requires_grad=True)
    sparsity(logits.softmax(-1), torch.ones(1, 2, dtype=torch.bool)).sum().backward()
    assert logits.grad.isfinite().all()


def test_edges_are_the_strong_ones_of_a_row():
    structure = torch.tensor([[[0.8, 0.2, 0.0], [0.4, 0.2, 0.4], [0.0, 0.0, 0.0]]])
    expected = torch.tensor([[[False, False, False], [True, False, True], [False, False, False]]])
    assert torch.equal(structure_edges(structure), expected)
    assert edge_density(structure, torch.tensor([[True, True, True]])) == 2 / 6
    assert edge_density(torch.full((1, 4, 4), 0.25), torch.ones(1, 4, dtype=torch.bool)) == 1
    assert edge_density(torch.zeros(1, 4, 4), torch.zeros(1, 4, dtype=torch.bool)) == 0
