"""What stands in for links where a category has none."""

import pytest
import torch

from capekit.models.layers import linked, skeleton, spanning_tree
from capekit.structures import Task

NONE = torch.zeros(0, 2, dtype=torch.long)


def test_the_tree_is_the_shortest():
    """On a line it is the chain; of all trees over random points, as scipy finds it."""
    line = torch.tensor([[0.1, 0], [0.9, 0], [0.3, 0], [0.6, 0]])
    assert {frozenset(link) for link in spanning_tree(line).tolist()} == {
        frozenset(link) for link in ((0, 2), (2, 3), (3, 1))}
    graph = pytest.importorskip('scipy.sparse.csgraph')
    points = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    links = spanning_tree(points)
    length = (points[links[:, 0]] - points[links[:, 1]]).norm(dim=1).sum()
    assert float(length) == pytest.approx(graph.minimum_spanning_tree(torch.cdist(points, points).numpy()).sum(), 1e-5)


@pytest.mark.parametrize('count', [0, 1])
def test_nothing_to_link(count):
    assert spanning_tree(torch.rand(count, 2)).shape == (0, 2)


def test_equal_points_are_linked_too():
    assert len(spanning_tree(torch.zeros(4, 2))) == 3


def test_only_bare_categories_get_links_between_keypoints_that_a_support_sees(monkeypatch):
    said = []
    monkeypatch.setattr(skeleton, 'print_log', lambda text, logger: said.append(text))
    skeleton._announce.cache_clear()
    given = torch.tensor([[0, 1]])
    task = Task(torch.tensor([3, 4]), [given, NONE], [(), ('a', 'b', 'c', 'd')])
    points = torch.rand(2, 2, 5, 2)
    seen = torch.arange(5).lt(task.num_keypoints[:, None])[:, None].repeat(1, 2, 1)
    seen[1, :, 2] = False  # in no support
    seen[1, 0, 0] = False  # in one of the two
    points[~seen] = float('nan')
    full = linked(task, points, seen, 'spanning_tree', 'Head')
    assert full.links[0] is given and len(full.links[1]) == 2 and set(full.links[1].flatten().tolist()) == {0, 1, 3}
    linked(task, points, seen, 'spanning_tree', 'Head')
    assert said == ["Head: a category of 4 keypoints (a, b, c, ...) has no links; missing_links='spanning_tree': the "
                    'shortest tree over the support keypoints stands in']
    for choice in ('none', 'predicted'):
        assert linked(task, points, seen, choice, 'Head') is task
    assert len(said) == 3 and linked(Task(torch.tensor([3]), [given], [()]), points[:1], seen[:1], 'none', 'Head')
