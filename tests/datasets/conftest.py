"""A data set and its audit, which must agree on every file."""

import pytest
from coco_files import write
from two_readers import read_both

from capekit.datasets import MP100Dataset


@pytest.fixture
def read(tmp_path):
    """A function that reads contents as files of one data set, and checks that the audit agrees with what it says."""
    def read(*contents, **options) -> MP100Dataset | str:
        paths = [write(tmp_path / f'{"abcdef"[n]}.json', content) for n, content in enumerate(contents)]
        return read_both(paths, **options)
    return read
