"""Fixtures for every test module. Tests of the reference material beside the repository are skipped without it."""

import os
from pathlib import Path

import pytest

# One thread each, waiting without spinning: the networks in tests are small, and machines that run tests are busy.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / 'shared'


@pytest.fixture(scope='session')
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder of reference material; where it is absent, the test is skipped with that reason."""
    if not SHARED.is_dir():
        pytest.skip(f'reference material not found at {SHARED}')
    return SHARED


@pytest.fixture
def make_episode():
    """A function that makes a random `Episode`: B episodes, S shots, one keypoint count per episode."""
    import torch  # after the variables above

    from capekit.structures import Episode

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
            query_visible=query_visible, num_keypoints=num_keypoints, links=links,
            meta=[dict(keypoint_names=[f'point {k}' for k in range(n)]) for n in num_keypoints.tolist()])
    return make
