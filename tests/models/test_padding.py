"""Keypoint padding against the recorded cases, against its definition, and where no case decides."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from capekit.errors import CapekitError
from capekit.models.mixup import MixupDraws
from capekit.models.padding import Padding

TRIANGLE = [[0, 1], [1, 2], [2, 0]]


def _padding(kind, count, links, slots=70, variant='release', draws=None):
    return Padding(kind, torch.tensor([count]), [torch.tensor(links).reshape(-1, 2)], slots, variant, draws)


def test_recorded_cases(shared):
    for case in json.loads((shared / 'reference/parity/fmmp_padding.json').read_text()):
        draws = None
        if case['lam']:
            draws = MixupDraws(torch.tensor([case['lam']]), torch.tensor([case['chosen_edges']]))
        padding = _padding('mixup' if draws else 'uniform', case['count'], case['edges'], draws=draws)
        points, visible = padding.pad(torch.tensor([case['points']]), torch.tensor([case['visible']]))
        np.testing.assert_array_equal(points[0], np.array(case['padded_points'], np.float32))
        np.testing.assert_array_equal(visible[0], case['padded_visible'])
        assert padding.edges(visible) == [case['padded_edges']]
        order = padding.breadth_first(visible[:, None], 16)[0, 0]
        np.testing.assert_array_equal(order, case['reference_index'])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_breadth_first_is_a_queue(data):
    """Against a search with a plain queue, on graphs with repeated links, self-links and invisible keypoints."""
    count = data.draw(st.integers(1, 9))
    links = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=14))
    variant, kind = data.draw(st.sampled_from(['release', 'paper'])), data.draw(st.sampled_from(['uniform', 'mixup']))
    seen = torch.tensor([[data.draw(st.lists(st.booleans(), min_size=count, max_size=count)) for _ in range(2)]])
    links = [torch.tensor(links, dtype=torch.long).reshape(-1, 2)]
    padding = Padding(kind, torch.tensor([count]), links, 20, variant, MixupDraws.draw(links, 20))
    visible = padding.pad(torch.rand(1, 2, count, 2), seen)[1]
    for keep in (2, 8):
        orders = padding.breadth_first(visible, keep)
        for shot in range(2):
            shown = visible[0, shot].tolist()
            neighbours = [[] for _ in range(20)]
            for a, b in padding.edges(visible[:, shot])[0]:
                neighbours[b].append(a)
                neighbours[a].append(b)
            for node in range(20):
                queue = [node]
                for current in queue:
                    for other in neighbours[current] if shown[current] else ():
                        if other not in queue:
                            queue.append(other)
                expected = (queue + [node] * keep)[:keep]
                assert orders[0, shot, node].tolist() == expected, (node, links, variant)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10 ** 6), st.sampled_from(['uniform', 'mixup']), st.sampled_from(['release', 'paper']))
def test_an_added_keypoint_is_the_same_place_in_every_image(seed, kind, variant):
    """Padding and an affine map of the image commute: lambda and links do not depend on the image."""
    generator = torch.Generator().manual_seed(seed)
    links = [torch.randint(0, 6, (5, 2), generator=generator), torch.randint(0, 9, (11, 2), generator=generator)]
    padding = Padding(kind, torch.tensor([6, 9]), links, 30, variant, MixupDraws.draw(links, 30))
    points, matrix = torch.rand(2, 9, 2, generator=generator), torch.randn(2, 2, generator=generator)
    visible = torch.ones(2, 9, dtype=torch.bool)
    first, seen = padding.pad(points, visible)
    second = padding.pad((points @ matrix + 0.1)[:, None], visible[:, None])[0][:, 0]
    torch.testing.assert_close(second[seen], (first @ matrix + 0.1)[seen], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('variant', 'chain', 'kept'), [('release', [1 / 3, 2 / 3], True),
                                                        ('paper', [2 / 3, 1 / 3], False)])
def test_the_variants_chain_a_link(variant, chain, kept):
    """`release` links the start to the point nearest the end and keeps the link; `paper` does neither."""
    padding = _padding('uniform', 2, [[0, 1]], 4, variant)
    points, visible = padding.pad(torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]), torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(points[0, 2:, 0], torch.tensor(chain))
    assert padding.edges(visible)[0] == [[0, 1]] * kept + [[0, 2], [2, 3], [3, 1]]


def test_mixup_orders_the_points_of_a_link():
    for variant, descending in (('release', False), ('paper', True)):
        links = [torch.tensor(TRIANGLE)]
        torch.manual_seed(0)
        padding = Padding('mixup', torch.tensor([3]), links, 40, variant, MixupDraws.draw(links, 40, alpha=0.5))
        assert torch.equal(padding.link[0, 3:], padding.link[0, 3:].sort().values) and (padding.link[0, 3:] >= 0).all()
        for number in range(3):
            ratios = padding.ratio[0, padding.link[0] == number]
            assert torch.equal(ratios, ratios.sort(descending=descending).values) and len(ratios) > 1


def test_mixup_draws_are_of_the_category_and_repeatable():
    links = [torch.tensor(TRIANGLE), torch.tensor([[0, 1]]), torch.zeros(0, 2, dtype=torch.long)]
    draws = MixupDraws.draw(links, 200)
    assert [row.unique().tolist() for row in draws.links] == [[0, 1, 2], [0], [0]]
    assert (draws.ratios[0] != draws.ratios[1]).any()
    fixed, again = (MixupDraws.draw(some, 200, generator=torch.Generator().manual_seed(0))
                    for some in (links, links[1:]))
    torch.testing.assert_close(fixed.ratios[1:], again.ratios)
    torch.testing.assert_close(fixed.links[1:], again.links)


def test_mixup_draws_follow_their_distributions():
    """Links uniform; lambda ~ Beta(alpha, alpha), whose mean is 1/2 and whose variance 1 / (4 (2 alpha + 1))."""
    torch.manual_seed(0)
    for alpha in (0.3, 1.0, 4.0):
        draws = MixupDraws.draw([torch.tensor(TRIANGLE)] * 400, 100, alpha)
        assert float(draws.ratios.mean()) == pytest.approx(0.5, abs=0.01)
        assert float(draws.ratios.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
        share = draws.links.flatten().bincount() / draws.links.numel()
        torch.testing.assert_close(share, torch.full((3,), 1 / 3), atol=0.02, rtol=0)


def test_draws_of_a_generator_are_those_of_its_device():
    """A fixed seed gives numbers that do not depend on where the links are: 'meta' stands for a GPU."""
    links = [torch.tensor(TRIANGLE, device='meta')]
    draws = MixupDraws.draw(links, 200, generator=torch.Generator().manual_seed(0))
    assert draws.ratios.device.type == draws.links.device.type == 'meta'


@pytest.mark.parametrize('kind', ['zero', 'uniform', 'mixup'])
@pytest.mark.parametrize('variant', ['release', 'paper'])
def test_without_links(kind, variant):
    """Also next to a category that has some: zero padding, and every keypoint is its own only neighbour."""
    for others in ([], [torch.tensor(TRIANGLE)]):
        links = [torch.zeros(0, 2, dtype=torch.long), *others]
        padding = Padding(kind, torch.tensor([3] * len(links)), links, 8, variant, MixupDraws.draw(links, 8))
        points, visible = padding.pad(torch.rand(len(links), 3, 2), torch.ones(len(links), 3, dtype=torch.bool))
        assert visible[0].tolist() == [True] * 3 + [False] * 5 and not points[0, 3:].any()
        assert torch.equal(padding.breadth_first(visible[:, None])[0, 0], torch.arange(8)[:, None].expand(-1, 8))


def test_invisible_ends():
    """The points of such a link keep their slots but are invisible and have no chain."""
    for variant in ('release', 'paper'):
        padding = _padding('uniform', 3, TRIANGLE, 9, variant)
        points, visible = padding.pad(torch.rand(1, 3, 2), torch.tensor([[True, True, False]]))
        assert visible[0].tolist() == [True, True, False, True, True, False, False, False, False]
        chains = [[0, 3], [3, 4], [4, 1]]
        assert padding.edges(visible)[0] == (TRIANGLE if variant == 'release' else []) + chains
        # The invisible keypoint is reached in `release` only.
        assert (2 in padding.breadth_first(visible[:, None])[0, 0, 1]) is (variant == 'release')


def test_links_given_twice():
    """Each carries points; in the graph they are one edge."""
    padding = _padding('uniform', 2, [[0, 1], [1, 0]], 4)
    visible = padding.pad(torch.rand(1, 2, 2), torch.ones(1, 2, dtype=torch.bool))[1]
    assert padding.edges(visible)[0] == [[0, 1], [1, 0], [0, 2], [2, 1], [1, 3], [3, 0]]
    assert padding.breadth_first(visible[:, None], 5)[0, 0, 0].tolist() == [0, 1, 2, 3, 0]
    # `paper`: a chain on one of them replaces both.
    draws = MixupDraws(torch.tensor([[0.5, 0.25, 0, 0]]), torch.tensor([[0, 0, 0, 0]]))
    padding = _padding('mixup', 2, [[0, 1], [1, 0]], 4, 'paper', draws)
    assert padding.edges(visible)[0] == [[0, 2], [2, 3], [3, 1]]


def test_as_many_keypoints_as_slots_and_more():
    padding = _padding('uniform', 3, TRIANGLE, 3)
    points = torch.rand(1, 3, 2)
    padded, visible = padding.pad(points, torch.ones(1, 3, dtype=torch.bool))
    assert torch.equal(padded, points) and visible.all()
    with pytest.raises(CapekitError, match='4 keypoints do not fit into 3 slots; set num_slots=4'):
        _padding('uniform', 4, [[0, 3]], 3).pad(torch.rand(1, 4, 2), torch.ones(1, 4, dtype=torch.bool))


def test_the_release_counts_linked_keypoints():
    """A last keypoint without a link is overwritten there; in `paper` it stays."""
    points, visible = torch.rand(1, 4, 2), torch.ones(1, 4, dtype=torch.bool)
    for variant, count in (('release', 3), ('paper', 4)):
        padding = _padding('uniform', 4, TRIANGLE, 10, variant)
        assert padding.counts.tolist() == [count]
        assert torch.equal(padding.pad(points, visible)[0][0, 3], points[0, 3]) is (count == 4)


def test_unknown_choices_name_the_valid_ones():
    with pytest.raises(CapekitError, match="Padding: kind='mixdown' is not one of zero, uniform, mixup"):
        _padding('mixdown', 3, TRIANGLE)
    with pytest.raises(CapekitError, match="'mixup' needs draws"):
        _padding('mixup', 3, TRIANGLE)
    with pytest.raises(CapekitError, match='num_slots=300: at most 254'):
        _padding('uniform', 3, TRIANGLE, 300)
