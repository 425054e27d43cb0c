"""Answers and losses of small networks are those recorded from code that reproduces the released models."""

import numpy as np
import pytest
from record import CASES, FOLDER, SHOTS, answer, estimator_of


@pytest.mark.parametrize('shots', SHOTS)
@pytest.mark.parametrize('case', CASES)
def test_answers_as_recorded(case, shots):
    found = answer(estimator_of(case), shots)
    with np.load(FOLDER / f'{case}.npz') as file:
        recorded = {name.split('/', 1)[1]: file[name] for name in file.files if name.startswith(f'{shots}shot/')}
    assert found.keys() == recorded.keys()
    for name, value in recorded.items():
        tolerance = dict(rtol=1e-4) if name.startswith('losses/') else dict(rtol=0, atol=5e-5)
        np.testing.assert_allclose(found[name], value, **tolerance, err_msg=name)
