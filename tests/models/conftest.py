"""Episodes of random pictures, for tests of networks."""

import pytest
import torch

from capekit.structures import Episode


@pytest.fixture
def make_episode():
    """A function that makes a random `Episode`: B episodes, S shots, one keypoint count an episode."""
    def make(batch=2, shots=2, counts=(5, 8), size=64, seed=0, hide=True):
        generator = torch.Generator().manual_seed(seed)
        slots = max(counts)

        def images(*shape):
            return torch.randint(0, 256, (*shape, 3, size, size), dtype=torch.uint8, generator=generator)

        def points(*shape):
            return torch.rand(*shape, slots, 2, generator=generator)

        num_keypoints = torch.tensor(counts)[:batch]
        real = torch.arange(slots) < num_keypoints[:, None]
        support_visible = real[:, None].expand(-1, shots, -1).clone()
        query_visible = real.clone()
        if hide:
            support_visible[:, 0, 1] = False
            query_visible[:, 0] = False
        links = [torch.stack((torch.arange(n - 1), torch.arange(1, n)), 1) for n in num_keypoints.tolist()]
        return Episode(
            support_images=images(batch, shots), support_points=points(batch, shots),
            support_visible=support_visible, query_images=images(batch), query_points=points(batch),
            query_visible=query_visible, num_keypoints=num_keypoints, links=links, meta=[{} for _ in range(batch)])
    return make
