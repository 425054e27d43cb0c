"""SDPNet's options: each does what its name says, and wrong values are named."""

import pytest
import torch
from asking import ask, labels

from capekit.errors import CapekitError
from capekit.models.heads import SDPNetHead, sdpnet
from capekit.models.layers import PoseReconstruction, SamplingSpread, sine_numbers

SMALL = dict(in_channels=(8, 12), channels=16, num_heads=2, hidden_channels=16, num_slots=12, heatmap_size=16, stages=2)


def _head(**options):
    """In eval mode, with its zero-initialised layers perturbed."""
    torch.manual_seed(0)
    head = SDPNetHead(**{**SMALL, **options}).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return head


def _inputs(head, batch=2, shots=3, slots=5, hidden=()):
    """`hidden`: (shot, keypoint) pairs that are not visible."""
    torch.manual_seed(1)
    points, visible = torch.rand(batch, shots, slots, 2), torch.ones(batch, shots, slots, dtype=torch.bool)
    for shot, keypoint in hidden:
        visible[:, shot, keypoint] = False

    def maps(count):
        return [torch.randn(count, 8, 16, 16), torch.randn(count, 12, 4, 4)]
    support = head.encode_support(maps(batch * shots), points.flatten(0, 1), visible.flatten(0, 1))
    support = {name: value.unflatten(0, (batch, shots)) for name, value in support.items()}
    return support, head.encode_query(maps(batch)), torch.full((batch,), slots), []


def _supports(inputs):
    """Points and visibility of the supports."""
    return inputs[0]['points'], inputs[0]['seen']


@pytest.mark.parametrize('option', ['aggregation', 'query_features', 'structure', 'space_reduction',
                                    'modulation', 'spread', 'sparsity_form', 'similarity_error'])
def test_unknown_choice_names_the_valid_ones(option):
    with pytest.raises(CapekitError, match=f"{option}='wrong' is not one of .*,"):
        SDPNetHead(**{**SMALL, option: 'wrong'})


def test_what_cannot_work_is_said():
    with pytest.raises(CapekitError, match="query_features='dynamic' reads a fine map"):
        SDPNetHead(in_channels=(2048,))
    with pytest.raises(CapekitError, match='stages=0'):
        SDPNetHead(**{**SMALL, 'stages': 0})
    head = _head()
    with pytest.raises(CapekitError, match='20 keypoint slots, but num_slots=12'):
        ask(head, *_inputs(head, slots=20))


def test_shot_order_is_the_numbers_and_nothing_else(monkeypatch):
    """Permuting the shots together with their numbers changes nothing; without their numbers, it does."""
    head, order = _head(), [2, 0, 1]
    support, query, counts, links = _inputs(head, hidden=[(0, 1)])
    turned = {name: value[:, order] for name, value in support.items()}
    answer = ask(head, support, query, counts, links).points
    assert not torch.allclose(ask(head, turned, query, counts, links).points, answer, atol=1e-5)
    monkeypatch.setattr(sdpnet, 'sine_numbers', lambda *args: sine_numbers(*args)[order])
    torch.testing.assert_close(ask(head, turned, query, counts, links).points, answer, atol=1e-5, rtol=0)


@pytest.mark.parametrize('aggregation', ['average', 'weighted', 'interaction'])
def test_a_shot_that_does_not_see_a_keypoint_is_not_asked(aggregation):
    head = _head(aggregation=aggregation)
    support, query, counts, links = _inputs(head, hidden=[(0, 1), (1, 4), (0, 3), (1, 3), (2, 3)])
    answer = ask(head, support, query, counts, links)
    assert answer.extras['mask'][0].tolist() == [True, True, True, False, True]  # 3 is seen by none
    assert answer.extras['instance_weights'][0, 0, 1] == 0
    torch.testing.assert_close(answer.extras['instance_weights'].sum(1), answer.extras['mask'].float())
    support['keypoints'][~support['seen']] = 7.0
    torch.testing.assert_close(ask(head, support, query, counts, links).points[:, [0, 1, 2, 4]],
                               answer.points[:, [0, 1, 2, 4]])


def test_only_interaction_lets_instances_and_keypoints_meet():
    for aggregation, meet in (('average', False), ('weighted', False), ('interaction', True)):
        head = _head(aggregation=aggregation)
        support, query, counts, links = _inputs(head)
        labels = torch.zeros(3, 5, 16)
        tokens = head.support_projection(support['keypoints'])
        before, _ = head.semantic(tokens, labels, support['seen'])
        tokens = tokens.clone()
        tokens[:, 1, 2] += torch.randn(16)
        after, _ = head.semantic(tokens, labels, support['seen'])
        assert torch.equal(before[:, 0], after[:, 0]) is not meet
        assert not torch.allclose(before[:, 2], after[:, 2])


@pytest.mark.parametrize(('query_features', 'fine', 'steered'),
                         [('low', False, False), ('high', True, False), ('dynamic', True, True)])
def test_what_refinement_samples(query_features, fine, steered):
    """Table 2; matching reads the coarse map in all three."""
    head = _head(query_features=query_features)
    support, query, counts, links = _inputs(head)
    assert ('fine' in query) is fine and (head.activation is not None) is steered
    if fine:
        answer = ask(head, support, query, counts, links)
        query['fine'] = query['fine'] + torch.randn_like(query['fine'])
        other = ask(head, support, query, counts, links)
        assert torch.equal(other.extras['peaks'], answer.extras['peaks'])
        assert not torch.allclose(other.points, answer.points)


def test_spread_reads_what_its_name_says():
    torch.manual_seed(0)
    query, support = torch.randn(1, 3, 16), torch.randn(1, 3, 16)
    for source, reads_query in (('support', False), ('difference', True)):
        spread = SamplingSpread(16, source, (2, 1, 4))
        assert torch.equal(spread(query, support), torch.ones(1, 3, 2, 1, 4))  # starts as plain deformable attention
        torch.nn.init.normal_(spread.mlp[-1].weight)
        factors = spread(query, support)
        assert ((factors > 0) & (factors < 2)).all()
        assert torch.allclose(factors, spread(query + 1, support)) is not reads_query
        assert not torch.allclose(factors, spread(query, support + torch.randn(16)))
    assert SamplingSpread(16, 'support')(query, support).shape == (1, 3)


@pytest.mark.parametrize(('unit', 'farthest'), [(64, 4 / 64), (None, 4 / 8)])
def test_sampling_starts_near_the_keypoint_on_a_coarse_map_too(unit, farthest):
    head = SDPNetHead(**{**SMALL, 'in_channels': (12,), 'query_features': 'low', 'offset_unit': unit}).eval()
    deformable = head.stages[0].deformable
    points = torch.rand(1, 5, 2)
    locations, _ = deformable.plan(torch.randn(1, 5, 16), points, [(8, 8)])
    distance = (locations - points[:, :, None, None, None]).abs().amax()
    torch.testing.assert_close(distance, torch.tensor(farthest))


def test_masked_keypoints_are_known_through_edges_only():
    torch.manual_seed(0)
    reconstruction = PoseReconstruction(16, 2, ratio=1.0, dropout=0.0).eval()
    torch.nn.init.normal_(reconstruction.read[-1].weight)
    points, semantic = torch.rand(1, 1, 4, 2), torch.randn(1, 4, 16)
    seen = torch.tensor([[[False, True, True, True]]])
    moved = points + torch.rand(2) * 0.2
    for structure, knows in ((torch.eye(4), False), (torch.full((4, 4), 0.25), True)):
        first, second = (reconstruction(p, seen, semantic, structure[None])[0, 0, 0] for p in (points, moved))
        assert torch.allclose(first, second) is not knows
    assert not reconstruction.mask(seen).any()
    reconstruction.ratio = 0.0
    assert torch.equal(reconstruction.mask(seen), seen)


def test_the_structure_of_the_reconstruction_does_not_know_where_masked_keypoints_are(monkeypatch):
    head = _head(dropout=0.0).train()
    support, query, counts, links = _inputs(head)
    shown = torch.ones(2, 3, 5, dtype=torch.bool)
    shown[..., 2] = False
    monkeypatch.setattr(head.reconstruction, 'mask', lambda seen: seen & shown)
    before = ask(head, support, query, counts, links).extras
    support['points'][..., 2, :] += 0.1
    after = ask(head, support, query, counts, links).extras
    assert torch.equal(after['reconstruction'], before['reconstruction'])
    assert not torch.allclose(after['structure'], before['structure'])  # that of the refinement does
    support['points'][..., 1, :] += 0.1
    assert not torch.allclose(ask(head, support, query, counts, links).extras['reconstruction'],
                              before['reconstruction'])


@pytest.mark.parametrize(('option', 'gone'), [
    ('heatmap_weight', 'heatmap_loss'), ('proposal_weight', 'proposal_loss'), ('stage_weight', 'stage_loss1'),
    ('reconstruction_weight', 'reconstruction_loss'), ('sparsity_weight', 'sparsity_loss')])
def test_a_term_is_weighted_and_left_out(option, gone):
    points, visible = torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)
    terms = []
    for weight in (0, 1.0, 3.0):
        head = _head(**{option: weight})
        inputs = _inputs(head)
        terms.append(head.loss(ask(head, *inputs), labels(points, visible, _supports(inputs))))
    assert gone not in terms[0] and terms[0].keys() | {gone} >= terms[1].keys() - {'stage_loss0'}
    torch.testing.assert_close(terms[2][gone], 3 * terms[1][gone])


def test_literal_sparsity_is_constant_in_the_head_too():
    points, visible = torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)
    reach = {}
    for form in ('l1', 'balanced'):
        head = _head(sparsity_form=form, sparsity_weight=1.0)
        torch.nn.init.normal_(head.structure.theta.weight, std=20)  # if all listen to all alike, no gradient arises
        inputs = _inputs(head)
        losses = head.loss(ask(head, *inputs), labels(points, visible, _supports(inputs)))
        losses['sparsity_loss'].backward()
        reach[form] = head.structure.theta.weight.grad.abs().max()
        assert 0 <= losses['edge_density'] <= 1  # logged, not part of the objective
        if form == 'l1':
            torch.testing.assert_close(losses['sparsity_loss'], torch.tensor(1 / 5))
    assert reach['l1'] < 1e-3 * reach['balanced']


def test_without_a_structure_there_is_no_graph():
    head = _head(structure='none')
    answer = ask(head, *_inputs(head))
    assert 'structure' not in answer.extras and 'reconstruction' not in answer.extras
    losses = head.loss(answer, labels(torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)))
    assert not {'sparsity_loss', 'reconstruction_loss', 'edge_density'} & losses.keys()
