"""What every test module may use. The reference material beside the repository is optional: its tests skip aloud."""

import os
from pathlib import Path

import pytest

# One thread each, waiting without spinning: networks in tests are small, and machines that test are busy.
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
    """The folder of reference material; the test is skipped, saying so, where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f'reference material not found at {SHARED}')
    return SHARED
