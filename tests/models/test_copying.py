"""What every method must beat."""

import torch

from capekit.apis import init_estimator


def test_each_keypoint_is_the_mean_over_the_supports_that_see_it(repo, make_episode):
    estimator, episode = init_estimator(repo / 'configs/synthetic/copying_synthetic_1shot.py'), make_episode(shots=2)
    episode.support_visible[:] = True
    episode.support_visible[0, 0, 0] = False
    episode.support_visible[0, :, 1] = False
    prediction, points = estimator.eval()(episode, mode='predict'), episode.support_points
    torch.testing.assert_close(prediction.points[0, 0], points[0, 1, 0])
    torch.testing.assert_close(prediction.points[0, 1], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(prediction.points[:, 2:], points.mean(1)[:, 2:])
    assert prediction.scores[0, :3].tolist() == [0.5, 0, 1]
