"""Every method labels: fine-tuned on supports, prepared once, each keypoint from the supports that show it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from animals import NAMES, draw

from capekit.apis import init_estimator
from capekit.labelling.adapted import Budget
from capekit.labelling.crops import cut, to_tensor
from capekit.labelling.estimated import EstimatorModel
from capekit.labelling.records import Labelled, Support

CONFIGS = sorted(path.name for path in (Path(__file__).parents[2] / 'configs/synthetic').glob('*_1shot.py'))


def animals(count: int, hidden: int | None = None) -> Labelled:
    """`count` supports; the first hides keypoint 1 if `hidden` is 1."""
    rng = np.random.default_rng(0)
    supports = []
    for number in range(count):
        image, points = draw(rng)
        visible = np.ones(4, bool)
        if number == 0 and hidden is not None:
            visible[hidden] = False
        low, high = points.min(0) - 3, points.max(0) + 3
        supports.append(Support(f'{number}.png', image, points, visible, np.array([*low, *(high - low)])))
    return Labelled('kite', tuple(NAMES), np.array([[0, 1], [0, 2], [1, 3], [2, 3]]), tuple(supports))


@pytest.mark.parametrize('config', CONFIGS)
def test_a_method_adapts_and_answers(config):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    estimator = init_estimator(f'configs/synthetic/{config}')
    before = {name: value.clone() for name, value in estimator.state_dict().items()}
    labelled = animals(3, hidden=1)
    crops = to_tensor([cut(support.image, support.box, EstimatorModel(estimator, None).size)[0]
                       for support in labelled.supports[:2]])
    plain = EstimatorModel(estimator, None)
    plain.set_support(labelled)
    points, scores = plain.answer(crops)
    assert points.shape == (2, 4, 2) and scores.shape == (2, 4)
    assert np.isfinite(points).all() and np.isfinite(scores).all()
    fewer = EstimatorModel(estimator, None)
    fewer.set_support(labelled.subset([1, 2]))
    np.testing.assert_allclose(points[:, 1], fewer.answer(crops)[0][:, 1], atol=1e-4)

    adapted = EstimatorModel(estimator, Budget(1))
    adapted.set_support(labelled)
    assert adapted.steps == (0 if getattr(getattr(estimator, 'head', estimator), 'frozen', False) else 1)
    for name, value in estimator.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    again = EstimatorModel(estimator, Budget(1))
    again.restore(adapted.state(), 4)
    np.testing.assert_array_equal(again.answer(crops)[0], adapted.answer(crops)[0])
