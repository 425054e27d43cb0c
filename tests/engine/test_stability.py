"""What the hook computes; what it logs in a run is in tests/tools/test_stability_run.py."""

import pytest
import torch
from torch import nn

from capekit.engine.stability import _Relus, gradient_norms, point_spread, token_spread


def test_gradient_norms_of_parts():
    head = nn.ModuleDict(dict(a=nn.Linear(1, 1), b=nn.Linear(1, 1)))
    model = nn.ModuleDict(dict(backbone=nn.Linear(2, 1), head=head))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    model.head.b.bias.grad = None
    norms = gradient_norms(model, scale=2.0)
    assert norms == pytest.approx(dict(grad_norm=6 ** 0.5, grad_norm_backbone=3 ** 0.5, grad_norm_head=3 ** 0.5))


def test_dead_units():
    layer = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        layer[0].bias[:] = torch.tensor([-100.0, 100, 100, -100])
    with _Relus() as relus:
        layer(torch.rand(2, 3, 5, 5))
        torch.tensor([[[-1.0, 1], [-1, -1]]]).relu()
    assert relus.units == 6 and int(sum(relus.dead)) == 3


def test_spread_of_tokens_is_that_of_real_keypoints():
    tokens = torch.randn(2, 5, 8)
    real = torch.arange(5) < torch.tensor([5, 3])[:, None]
    assert token_spread(tokens, real) > 0.5
    tokens[0], tokens[1, :3] = tokens[0, :1], tokens[1, :1]
    assert token_spread(tokens, real) == pytest.approx(0)
    assert token_spread(torch.zeros(2, 5, 8), real) == 0


def test_spread_of_points(make_episode):
    episode = make_episode()
    assert point_spread(episode.query_points, episode) == pytest.approx(1)
    assert point_spread(episode.query_points * 0.5 + 3, episode) == pytest.approx(0.5, rel=1e-5)
    assert point_spread(torch.full_like(episode.query_points, 0.5), episode) == 0
    episode.query_visible[:] = False
    assert point_spread(episode.query_points, episode) != point_spread(episode.query_points, episode)  # nan
