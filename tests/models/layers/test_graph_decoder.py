"""Links as matrices, and what a graph layer makes of them."""

import pytest
import torch

from capekit.models.layers import link_matrix, normalise_rows
from capekit.models.layers.graph_decoder import GraphFeedForward, GraphLinear

NONE = torch.zeros(0, 2, dtype=torch.long)


def test_links_count_once_and_only_between_keypoints_that_count():
    links = [torch.tensor([[0, 1], [1, 0], [0, 1], [2, 2], [1, 3]]), NONE]
    counted = torch.tensor([[True, True, True, False]] * 2)
    matrix = link_matrix(links, counted)
    expected = torch.zeros(2, 4, 4)
    expected[0, 0, 1] = expected[0, 1, 0] = expected[0, 2, 2] = 1
    assert torch.equal(matrix, expected)


def test_rows_sum_to_one_or_stay_zero():
    matrix = torch.tensor([[0., 1, 1], [1, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(normalise_rows(matrix), torch.tensor([[0., .5, .5], [1, 0, 0], [0, 0, 0]]))


def test_a_graph_layer_adds_what_is_heard_to_the_own_branch():
    torch.manual_seed(0)
    layer, tokens = GraphLinear(3, 2), torch.randn(1, 4, 3)
    counted = torch.tensor([[True, True, True, False]])
    graph = torch.tensor([[[0., 1, 0, 0], [.5, 0, .5, 0], [0, 1, 0, 0], [0, 0, 0, 0]]])
    own, neighbour = (tokens @ weight.T + bias for weight, bias in
                      zip(layer.weight.chunk(2), layer.bias.chunk(2), strict=True))
    found = layer(tokens, counted, graph)
    torch.testing.assert_close(found[0, 1], (own[0, 1] + (neighbour[0, 0] + neighbour[0, 2]) / 2).relu())
    assert not found[0, 3].any()  # it neither counts nor hears
    torch.testing.assert_close(layer(tokens, counted, torch.zeros_like(graph))[0, :3], own[0, :3].relu())


@pytest.mark.parametrize(('place', 'update'), [('none', 'bias'), ('pre', 'bias'), ('post', 'zero'), ('both', 'zero')])
def test_what_a_keypoint_that_does_not_count_is_told(place, update):
    torch.manual_seed(0)
    layer, tokens = GraphFeedForward(4, 6, 0.0, place), torch.randn(1, 2, 4)
    counted, graph = torch.tensor([[True, False]]), torch.zeros(1, 2, 2)
    found = layer(tokens, counted, graph)[0, 1]
    if place != 'none':
        told = layer.reduce.bias if update == 'bias' else torch.zeros(4)
        torch.testing.assert_close(found, layer.norm(tokens[0, 1] + told))
