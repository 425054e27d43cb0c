"""Fitted models in one file."""

import pytest
import torch
from safetensors.torch import save_file

from capekit.errors import CapekitError
from capekit.labelling import store


@pytest.mark.parametrize('header', ['{"model"', '[' * 10 ** 5], ids=['incomplete', 'deep'])
def test_settings_that_are_not_json_are_one_line(header, tmp_path):
    save_file(dict(x=torch.ones(1)), tmp_path / 'm', {store.FORMAT: header})
    with pytest.raises(CapekitError, match='m: damaged'):
        store.read_model(tmp_path / 'm')
