"""The recipe that draws the weights of the recorded cases."""

import importlib.util

import pytest


@pytest.fixture(scope='session')
def parity_recipe(shared):
    """The module `weights.py` beside the recorded cases."""
    spec = importlib.util.spec_from_file_location('parity_weights', shared / 'reference/parity/weights.py')
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe
