"""FMMP's options: each does what its name says, and wrong values are named."""

import math

import pytest
import torch
from asking import ask, labels

from capekit.errors import CapekitError
from capekit.models.heads import FMMPHead
from capekit.models.layers import gaussian_heatmaps, heatmap_pooling
from capekit.visualization.mining import recorded_sampling

SMALL = dict(in_channels=(8, 16), channels=16, num_heads=2, hidden_channels=16, num_slots=20, num_layers=2,
             num_references=4, heatmap_size=16)
CHAIN = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])


def _head(**options):
    """Without dropout, with its zero-initialised layers perturbed."""
    torch.manual_seed(0)
    head = FMMPHead(**{**SMALL, 'dropout': 0.0, **options})
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return head.eval()


def _inputs(head, batch=2, shots=1, slots=5, links=CHAIN):
    torch.manual_seed(1)
    maps = [torch.randn(batch * (shots + 1), 8, 8, 8), torch.randn(batch * (shots + 1), 16, 4, 4)]
    points, visible = torch.rand(batch * shots, slots, 2), torch.ones(batch * shots, slots, dtype=torch.bool)
    support = head.encode_support([m[:batch * shots] for m in maps], points, visible)
    support = {name: value.unflatten(0, (batch, shots)) for name, value in support.items()}
    return support, head.encode_query([m[batch * shots:] for m in maps]), torch.full((batch,), slots), [links] * batch


def test_images_that_serve_as_both_have_one_pyramid():
    head, maps = _head(), [torch.randn(3, 8, 8, 8), torch.randn(3, 16, 4, 4)]
    points, visible = torch.rand(3, 5, 2), torch.rand(3, 5) > 0.3
    support, query = head.encode(maps, points, visible)
    assert list(query) == ['level0', 'level1'] and all(support[name] is query[name] for name in query)
    for together, alone in ((support, head.encode_support(maps, points, visible)), (query, head.encode_query(maps))):
        assert together.keys() == alone.keys() and all(torch.equal(together[name], alone[name]) for name in alone)


@pytest.mark.parametrize('option', ['variant', 'pooling', 'mining', 'structure', 'train_padding', 'test_padding',
                                    'reduction'])
def test_unknown_choice_names_the_valid_ones(option):
    with pytest.raises(CapekitError, match=f"{option}='wrong' is not one of .*,"):
        FMMPHead(**{**SMALL, option: 'wrong'})


def test_impossible_sizes_are_named():
    with pytest.raises(CapekitError, match='num_references=1 must be a whole number, 2 or more'):
        FMMPHead(**{**SMALL, 'num_references': 1})
    with pytest.raises(CapekitError, match='num_references=3 must divide channels=16'):
        FMMPHead(**{**SMALL, 'num_references': 3})
    with pytest.raises(CapekitError, match='num_layers=0 must be a whole number, 1 or more'):
        FMMPHead(**{**SMALL, 'num_layers': 0})
    with pytest.raises(CapekitError, match='channels=18 must be a whole number, 4, 8, 12'):
        FMMPHead(**{**SMALL, 'channels': 18}, variant='release')
    with pytest.raises(CapekitError, match='num_slots=3 must be num_references=4 or more'):
        FMMPHead(**{**SMALL, 'num_slots': 3})
    head = _head()
    with pytest.raises(CapekitError, match='21 keypoints do not fit into 20 slots; set num_slots=21 or more'):
        ask(head, *_inputs(head, slots=21))


def test_references_are_neighbours():
    chain = [[0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 3, 0], [3, 2, 4, 1], [4, 3, 2, 1]]
    every = [[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3], [3, 0, 1, 2], [4, 0, 1, 2]]
    for structure, expected in dict(links=chain, all=every, none=[[k] * 4 for k in range(5)]).items():
        head = _head(structure=structure, test_padding='zero')
        extras = ask(head, *_inputs(head)).extras
        assert extras['orders'][0, 0, :5].tolist() == expected and extras['query_order'][1, :5].tolist() == expected
        # Zero padding has no neighbours.
        assert extras['orders'][0, 0, 10].tolist() == [10] * 4


def test_only_visible_keypoints_are_all_linked():
    head = _head(structure='all', test_padding='zero')
    support, query, counts, links = _inputs(head)
    support['visible'][:, :, [1, 3, 4]] = False
    orders = ask(head, support, query, counts, links).extras['orders'][0, 0]
    assert orders[:4].tolist() == [[0, 2, 0, 0], [1, 1, 1, 1], [2, 0, 2, 2], [3, 3, 3, 3]]


@pytest.mark.parametrize('variant', ['paper', 'release'])
def test_what_is_read_around(variant):
    """Equation 7 and its stand-in: the m-th head or attention reads around the m-th keypoint reached."""
    head = _head(variant=variant)
    with recorded_sampling(head) as records:
        answer = ask(head, *_inputs(head))
    read = [references for references, _, _ in records]
    if variant == 'release':
        read = [torch.stack(read[start:start + 4], 2) for start in range(0, len(read), 4)]
    extras = answer.extras
    support, query = extras['padded_points'][:, 0], [torch.full((2, 20, 2), 0.5), *extras['padded_layers']]
    assert len(read) == 4  # support and query, twice
    for number, references in enumerate(read):
        points, order = ((query[number // 2], extras['query_order']) if number % 2
                         else (support, extras['orders'][:, 0]))
        expected = torch.stack([p[o] for p, o in zip(points, order, strict=True)])
        torch.testing.assert_close(references, expected)


def test_first_features_are_pooled_under_heatmaps():
    """Mean over the levels, then over the supports that see the keypoint (section 3.2)."""
    head, tokens = _head(mining='query_only', test_padding='zero'), []
    head.query_layers[0].register_forward_hook(lambda _, given, __: tokens.append(given[0]))
    support, query, counts, links = _inputs(head, shots=2)
    support['visible'][:, 1, 2] = False
    ask(head, support, query, counts, links)
    pooled = []
    for shot in range(2):
        heatmaps, _ = gaussian_heatmaps(support['points'][:, shot], support['visible'][:, shot], 16, 2.0)
        pooled.append(sum(heatmap_pooling(support[f'level{n}'][:, shot], heatmaps) for n in range(2)) / 2)
    expected = (pooled[0] + pooled[1]) / 2
    expected[:, 2] = pooled[0][:, 2]
    torch.testing.assert_close(tokens[0][:, :5], expected)
    assert not tokens[0][:, 5:].any()


def test_scores_say_what_some_support_shows():
    head = _head()
    support, query, counts, links = _inputs(head, shots=2)
    support['visible'][:, 0, [0, 3]], support['visible'][:, 1, 3] = False, False
    assert ask(head, support, query, counts, links).scores.tolist() == [[1, 1, 1, 0, 1]] * 2


def test_structure_reaches_the_answer():
    for variant in ('paper', 'release'):
        head = _head(variant=variant, test_padding='zero')
        one, other = (ask(head, *_inputs(head, links=links)).points for links in (CHAIN, CHAIN[:2]))
        assert not torch.allclose(one, other, atol=1e-4)


def test_several_supports_are_averaged():
    """Over those that see the keypoint: a second support that shows nothing changes nothing."""
    for variant in ('paper', 'release'):
        head = _head(variant=variant)
        support, query, counts, links = _inputs(head, shots=2)
        support['visible'][:, 0] = False
        alone = {name: value[:, 1:] for name, value in support.items()}
        torch.testing.assert_close(ask(head, support, query, counts, links).points,
                                   ask(head, alone, query, counts, links).points)
        # Two equal supports count as one.
        twice = {name: value.expand(-1, 2, *value.shape[2:]) for name, value in alone.items()}
        torch.testing.assert_close(ask(head, twice, query, counts, links).points,
                                   ask(head, alone, query, counts, links).points)


def test_the_query_has_one_order():
    """The order from what any support sees; in the release, from the last support."""
    for variant in ('paper', 'release'):
        head = _head(variant=variant)
        support, query, counts, links = _inputs(head, shots=2)
        support['visible'][:, 0, 0] = False
        support['visible'][:, 1, 4] = False
        extras = ask(head, support, query, counts, links).extras
        assert torch.equal(extras['query_order'], extras['orders'][:, -1]) is (variant == 'release')
        support['visible'][:] = True
        whole = ask(head, support, query, counts, links).extras['query_order']
        assert torch.equal(extras['query_order'], whole) is (variant == 'paper')


def test_a_link_may_be_seen_by_two_supports_together():
    """`paper`, uniform padding: neither support sees 0-1 whole, but together they do, with its chain 3, 4, 5."""
    head = _head(num_slots=9, num_references=8)
    support, query, counts, links = _inputs(head, batch=1, shots=2, slots=3, links=torch.tensor([[0, 1], [1, 2]]))
    support['visible'][0] = torch.tensor([[True, False, True], [False, True, True]])
    order = ask(head, support, query, counts, links).extras['query_order']
    assert order[0, 0].tolist() == [0, 3, 4, 5, 1, 6, 7, 8]


def test_a_keypoint_unseen_by_one_support():
    """`paper`: where that support has the keypoint does not matter; only the other support counts."""
    head = _head()
    support, query, counts, links = _inputs(head, shots=2)
    support['visible'][:, 1, 2] = False
    answer = ask(head, support, query, counts, links).points
    moved = dict(support, points=support['points'].clone())
    moved['points'][:, 1, 2] = 0.9
    torch.testing.assert_close(ask(head, moved, query, counts, links).points, answer)
    moved['points'][:, 0, 2] = 0.9
    assert not torch.allclose(ask(head, moved, query, counts, links).points, answer, atol=1e-4)


def test_query_mining_masks_nothing():
    """As released: slots that no support sees are attended to on the query, but not on the supports."""
    head = _head(test_padding='zero')
    inputs, masked = _inputs(head), []
    for layer in (*head.support_layers, *head.query_layers):
        layer.register_forward_hook(lambda _, given, __: masked.append(given[4] if len(given) > 4 else None))
    ask(head, *inputs)
    on_support, on_query = masked[::2], masked[1::2]
    assert all(mask[:, 5:].all() and not mask[:, :5].any() for mask in on_support) and on_query == [None, None]


def test_training_draws_once_for_supports_and_query():
    head = _head().train()
    support, query, counts, links = _inputs(head, shots=2)
    answers = [ask(head, support, query, counts, links) for _ in range(2)]
    first, second = (answer.extras['padding'].ratio for answer in answers)
    assert (first != second).any() and (first[0] != first[1]).any()
    # A query equal to the answer has no loss, added keypoints included, only if it is padded in the same way.
    head.reduction = 'release'
    padded, visible = answers[0].extras['padding'].pad(answers[0].points, torch.ones(2, 5, dtype=torch.bool))
    answers[0].extras['padded_layers'] = padded[None]
    losses = head.loss(answers[0], labels(answers[0].points, visible[:, :5]))
    assert all(float(value.detach()) < 1e-6 for value in losses.values())
    losses = head.loss(answers[1], labels(answers[0].points, visible[:, :5]))
    assert float(losses['l1_loss_mix'].detach()) > 1e-3


def test_losses():
    """Equations 9 to 11 by hand, the released mean, and beta."""
    torch.manual_seed(0)
    head = _head(mix_weight=0.25)
    answer, points = ask(head, *_inputs(head)), torch.rand(2, 5, 2)
    visible = torch.ones(2, 5, dtype=torch.bool)
    visible[0, 2] = False
    errors = (answer.layers - points).abs().sum(-1) * visible
    losses = head.loss(answer, labels(points, visible))
    torch.testing.assert_close(losses['l1_loss_real'], errors.sum(-1).mean())
    padded, shown = answer.extras['padding'].pad(points, visible)
    mixed = ((answer.extras['padded_layers'] - padded).abs().sum(-1) * shown)[..., 5:]
    assert shown[:, 5:].sum(1).tolist() == [3 * 2, 3 * 4]  # 15 // 4 on each link whose ends are visible
    torch.testing.assert_close(losses['l1_loss_mix'], 0.25 * mixed.sum(-1).mean())
    assert set(_head(mix_weight=0).loss(answer, labels(points, visible))) == {'l1_loss_real'}
    head.reduction = 'release'
    expected = (errors.sum(-1) / torch.tensor([4, 5])).mean(1).sum()
    torch.testing.assert_close(head.loss(answer, labels(points, visible))['l1_loss_real'], expected)


def test_matching_loss():
    """Smallest where the first features are found again: on the support itself, at its own keypoints."""
    head = _head(matching_weight=2.0, test_padding='zero')
    support, query, counts, links = _inputs(head)
    support['visible'][:, 0, 3] = False
    # A level whose pixels all differ; the first features are pooled from it.
    codes = 20 * torch.eye(16).view(1, 16, 4, 4)
    support.update(level0=codes.expand(2, 1, 16, 4, 4), level1=codes.repeat_interleave(2, 2).repeat_interleave(2, 3)
                   .expand(2, 1, 16, 8, 8))
    query.update(level0=support['level0'][:, 0], level1=support['level1'][:, 0])
    support['points'][:] = torch.tensor([[0.1, 0.1], [0.4, 0.6], [0.9, 0.4], [0.5, 0.5], [0.1, 0.9]])
    answer, visible = ask(head, support, query, counts, links), torch.ones(2, 5, dtype=torch.bool)
    here = head.loss(answer, labels(support['points'][:, 0], visible))['matching_loss']
    elsewhere = head.loss(answer, labels(1 - support['points'][:, 0], visible))['matching_loss']
    assert 0 < float(here.detach()) < 0.5 * float(elsewhere.detach())
    # How large features are does not matter.
    large = {name: 30 * query[name] for name in ('level0', 'level1')}
    torch.testing.assert_close(
        head.loss(ask(head, support, large, counts, links), labels(support['points'][:, 0], visible))['matching_loss'],
        here)
    # Keypoints that no support or the query does not show have no part in it.
    moved = support['points'][:, 0].clone()
    moved[:, 3] = 0.9
    torch.testing.assert_close(head.loss(answer, labels(moved, visible))['matching_loss'], here)
    visible[:, 1], moved[:, 1] = False, 0.9
    torch.testing.assert_close(head.loss(answer, labels(moved, visible))['matching_loss'],
                               head.loss(answer, labels(support['points'][:, 0], visible))['matching_loss'])
    # Nothing to match with: all cells are equally likely.
    query.update({name: torch.zeros_like(query[name]) for name in ('level0', 'level1')})
    answer = ask(head, support, query, counts, links)
    loss = head.loss(answer, labels(support['points'][:, 0], visible))['matching_loss']
    assert float(loss.detach()) == pytest.approx(2 * (math.log(16) + math.log(64)) / 2, rel=1e-4)
    assert 'matching_loss' not in _head().loss(answer, labels(support['points'][:, 0], visible))


def test_support_mining_is_left_out_or_comes_first():
    head = _head(mining='query_only')
    assert not len(head.support_layers)
    recurrent, first = _head(), _head(mining='support_first')
    first.load_state_dict(recurrent.state_dict())
    answers = [ask(model, *_inputs(model)).points for model in (recurrent, first)]
    assert not torch.allclose(*answers, atol=1e-4)
    for model, order in ((recurrent, 'S0 Q0 S1 Q1'), (first, 'S0 S1 Q0 Q1')):
        called = []
        for name, layers in (('S', model.support_layers), ('Q', model.query_layers)):
            for number, layer in enumerate(layers):
                layer.register_forward_hook(lambda *_, called=called, which=f'{name}{number}': called.append(which))
        ask(model, *_inputs(model))
        assert ' '.join(called) == order


def test_no_links_and_what_invisible_keypoints_hold():
    for variant in ('paper', 'release'):
        head = _head(variant=variant)
        support, query, counts, _ = _inputs(head)
        answers = [ask(head, support, query, counts, links).points for links in ([], [torch.zeros(0, 2).long()] * 2)]
        assert torch.equal(*answers) and answers[0].isfinite().all()
        support['visible'][:, :, 1] = False
        support['points'][:, :, 1] = float('nan')
        assert ask(head, support, query, counts, [CHAIN] * 2).points.isfinite().all()


@pytest.mark.parametrize('variant', ['paper', 'release'])
def test_it_learns_two_episodes_by_heart(variant):
    torch.manual_seed(0)
    head = FMMPHead(**{**SMALL, 'dropout': 0.0, 'train_padding': 'zero'}, variant=variant).train()
    inputs, points, visible = _inputs(head), torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)
    inputs = ({k: v.detach() for k, v in inputs[0].items()}, {k: v.detach() for k, v in inputs[1].items()}, *inputs[2:])
    optimizer, losses = torch.optim.AdamW(head.parameters(), 5e-3), []
    for _ in range(100):
        loss = head.loss(ask(head, *inputs), labels(points, visible))['l1_loss_real']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
