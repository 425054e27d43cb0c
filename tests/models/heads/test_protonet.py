"""ProtoNet: the nearest location is the answer, prototypes are means over the shots that see a keypoint."""

import torch
from asking import ask, labels

from capekit.models.heads import ProtoNetHead


def _answer(head, support_map, points, visible, query_map):
    """S support maps (S, C, H, W), points (S, K, 2), visible (S, K), one query map (C, H, W)."""
    support = {name: value[None] for name, value in head.encode_support([support_map], points, visible).items()}
    return ask(head, support, head.encode_query([query_map[None]]), torch.tensor([points.shape[1]]), [])


def test_the_same_image_gives_the_same_points():
    torch.manual_seed(0)
    image = torch.randn(1, 32, 8, 8)
    cells = torch.tensor([[1, 2], [6, 5], [4, 0]])
    points = (cells[None] + 0.5) / 8
    answer = _answer(ProtoNetHead(), image, points, torch.ones(1, 3, dtype=torch.bool), image[0])
    torch.testing.assert_close(answer.points, points)


def test_shots_that_do_not_see_a_keypoint_do_not_count():
    torch.manual_seed(0)
    images, points = torch.randn(3, 32, 8, 8), torch.rand(3, 2, 2)
    visible = torch.ones(3, 2, dtype=torch.bool)
    visible[1, 0] = False
    head, query = ProtoNetHead(), torch.randn(32, 8, 8)
    answer = _answer(head, images, points, visible, query).extras['similarity'][:, 0]
    two = _answer(head, images[::2], points[::2], visible[::2], query).extras['similarity'][:, 0]
    torch.testing.assert_close(answer, two)


def test_loss_is_the_cross_entropy_of_the_true_cell():
    torch.manual_seed(0)
    head = ProtoNetHead()
    answer = _answer(head, torch.randn(1, 32, 4, 6), torch.rand(1, 2, 2), torch.ones(1, 2, dtype=torch.bool),
                     torch.randn(32, 4, 6))
    similarity = answer.extras['similarity'][0]
    expected = [-similarity[k].flatten().log_softmax(0).view(4, 6)[y, x] for k, (x, y) in enumerate([(5, 3), (2, 1)])]
    points = torch.tensor([[[0.99, 0.99], [0.4, 0.3]]])
    visible = torch.ones(1, 2, dtype=torch.bool)
    torch.testing.assert_close(head.loss(answer, labels(points, visible))['location_loss'], sum(expected) / 2)
    points[0, 1, 0] = 1.2  # outside the crop: there is no true cell
    torch.testing.assert_close(head.loss(answer, labels(points, visible))['location_loss'], expected[0])
