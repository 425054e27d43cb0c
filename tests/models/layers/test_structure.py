"""The prior structure: what equation 8 can and cannot do to it, and what counts as an edge."""

import pytest
import torch

from capekit.models.layers import (
    AttentionStructure,
    ConcatenationStructure,
    GlobalStructure,
    GraphConvolutions,
    edge_density,
    shares,
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
    spaces = 4 if kind == 'attention' else 1
    torch.testing.assert_close(structure.sum(-1), spaces * valid.float())
    torch.testing.assert_close(shares(structure).sum(-1), valid.float())
    assert not structure[1, :, 5:].any() and (structure >= 0).all()
    assert not torch.allclose(structure[0, 0], structure[0, 1])  # keypoints listen to different keypoints


def test_spaces_are_summed_as_in_equation_3_or_averaged():
    tokens, valid = _inputs()
    predictor, graph = AttentionStructure(16, 4), GraphConvolutions(16, 2, dropout=0.0)
    graph.norm = torch.nn.Identity()
    updates = {}
    for reduction in ('sum', 'mean'):
        predictor.reduction = reduction
        structure = predictor(tokens, valid)
        updates[reduction] = graph(tokens, structure) - tokens
        torch.testing.assert_close(sparsity(structure, valid, 'l1'), torch.tensor([1 / 8, 1 / 5]))
    torch.testing.assert_close(updates['sum'], 16 * updates['mean'], rtol=1e-3, atol=1e-4)  # two layers


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
    for structure, expected in ((pairs, 0.111), (everyone, 0.314), (torch.eye(9)[None], 0.314), (one, 0.292)):
        torch.testing.assert_close(sparsity(structure, valid), torch.tensor([expected]), atol=2e-3, rtol=0)
        torch.testing.assert_close(sparsity(8 * structure, valid), sparsity(structure, valid))


def thinned(logits, valid):
    """The structure after 200 steps on the balanced form alone."""
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        sparsity(logits.softmax(-1), valid).mean().backward()
        optimizer.step()
    return logits.softmax(-1)


def test_the_balanced_form_leaves_a_graph_that_passes_nothing():
    """From near the identity, which a form that counts a keypoint's own share would make its minimum."""
    torch.manual_seed(0)
    logits = (torch.randn(1, 10, 10) + 5 * torch.eye(10)).requires_grad_()
    valid = torch.ones(1, 10, dtype=torch.bool)
    assert logits.softmax(-1).diagonal(dim1=1, dim2=2).mean() > 0.85
    structure = thinned(logits, valid)
    assert structure.diagonal(dim1=1, dim2=2).max() < 0.05
    assert structure_edges(structure).any(-1).all()


def test_the_balanced_form_thins_a_structure_without_a_hub():
    torch.manual_seed(0)
    logits, valid = torch.randn(1, 10, 10, requires_grad=True), torch.ones(1, 10, dtype=torch.bool)
    before = edge_density(logits.softmax(-1), valid)
    structure = thinned(logits, valid)
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
