"""Frozen features: what is matched to itself is found, whatever the level's scale, and only shots that see it count."""

import pytest
import torch

from capekit.errors import CapekitError
from capekit.models.layers import describe_pixels, describe_points, match_features

POINTS = torch.tensor([[[0.2, 0.3], [0.71, 0.62], [0.95, 0.05]]])
SEEN = torch.ones(1, 3, dtype=torch.bool)


def _maps(seed=0, batch=1):
    """Smooth maps of two strides, the second ten times as large and far from zero."""
    coarse = torch.randn(batch, 32, 4, 4, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (16, 16), mode='bicubic', align_corners=False)
    return [fine, 10 * torch.nn.functional.interpolate(fine, (8, 8), mode='area') + 7]


def _match(supports, query, **options):
    """Supports: (maps, points, seen) each; one episode."""
    described = [describe_points(*support) for support in supports]
    joined = [torch.stack([one[name][0] for one in described])[None] for name in ('features', 'points', 'seen')]
    return match_features(*joined, describe_pixels(query), **options)


@pytest.mark.parametrize('shots', ['mean', 'best'])
def test_an_image_matches_itself(shots):
    match = _match([(_maps(), POINTS, SEEN)], _maps(), shots=shots)
    assert (match.points - POINTS).abs().max() < 0.5 / 16
    assert (match.scores > 0.8).all() and (match.scores <= 1 + 1e-6).all()
    assert match.similarity.shape == (1, 3, 16, 16)


def test_descriptors_have_length_one_and_forget_scale_and_offset():
    maps = _maps()
    pixels, moved = describe_pixels(maps), describe_pixels([3 * maps[0] - 5, maps[1]])
    torch.testing.assert_close(pixels.norm(dim=1), torch.ones(1, 16, 16))
    torch.testing.assert_close(moved, pixels, rtol=0, atol=1e-5)
    torch.testing.assert_close(describe_points(maps, POINTS, SEEN)['features'].norm(dim=-1), torch.ones(1, 3))


def test_a_subcell_answer_lies_between_cells():
    rough = _match([(_maps(), POINTS, SEEN)], _maps(), temperature=0)
    fine = _match([(_maps(), POINTS, SEEN)], _maps())
    cells = rough.points * 16 - 0.5
    torch.testing.assert_close(cells, cells.round())
    assert ((fine.points - rough.points).abs() <= 1 / 16).all() and not torch.equal(fine.points, rough.points)


@pytest.mark.parametrize('shots', ['mean', 'best'])
def test_a_keypoint_uses_the_shots_that_see_it(shots):
    other, seen = _maps(1), SEEN.clone()
    seen[0, 0] = False
    both = _match([(_maps(), POINTS, SEEN), (other, POINTS.flip(1), seen)], _maps(), shots=shots)
    alone = _match([(_maps(), POINTS, SEEN)], _maps(), shots=shots)
    torch.testing.assert_close(both.points[:, 0], alone.points[:, 0])
    nobody = _match([(_maps(), POINTS, seen), (other, POINTS, seen)], _maps(), shots=shots, prior=0.5)
    assert (nobody.points[0, 0] == 0.5).all() and nobody.scores[0, 0] == 0 and not nobody.similarity[0, 0].any()


def test_the_best_shot_wins_at_each_cell():
    match = _match([(_maps(), POINTS, SEEN), (_maps(1), POINTS, SEEN)], _maps(), shots='best')
    single = [_match([(_maps(seed), POINTS, SEEN)], _maps()).similarity for seed in (0, 1)]
    torch.testing.assert_close(match.similarity, torch.maximum(*single))


def test_the_prior_draws_answers_to_the_supports_places():
    """On a map that repeats itself, the nearer copy is taken."""
    maps = [torch.cat((one, one), -1) for one in _maps()]
    left, right = POINTS * torch.tensor([0.5, 1]), POINTS * torch.tensor([0.5, 1]) + torch.tensor([0.5, 0])
    for points in (left, right):
        match = _match([(maps, points, SEEN)], maps, prior=0.5)
        assert (match.points - points).abs().max() < 1 / 16
    far = _match([(maps, left, SEEN)], _maps(3), prior=1e4, temperature=0)
    assert (far.points - left).abs().max() <= 0.5 / 16 + 1e-6


def test_unknown_way_to_join_shots():
    with pytest.raises(CapekitError, match="shots='max' is not one of best, mean"):
        _match([(_maps(), POINTS, SEEN)], _maps(), shots='max')
