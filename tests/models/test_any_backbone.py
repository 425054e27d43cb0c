"""Any backbone under any head: each pair trains a step and predicts."""

import pytest
import torch

from capekit.apis import init_estimator
from capekit.models import estimator as estimators

HEADS = {
    'capeformer': 'capeformer_r50', 'pomnet': 'pomnet_r50', 'fmmp': 'fmmp_r50', 'sdpnet': 'sdpnet_r50',
    'protonet': 'protonet_r50', 'graphcape': 'graphcape_swinv2-t', 'edgecape': 'edgecape_dinov2-s',
    'matching': 'matching_lite0', 'maml': 'maml_r50', 'finetune': 'finetune_r50'}
PYRAMID = dict(type='TimmPyramid', strides=(8, 16, 32))
# SwinV2-T of window 8 is that of window 16 at another size: 64 pixels instead of 256.
BACKBONES = {
    'ResNet-50': (64, dict(PYRAMID, name='resnet50.tv_in1k')),
    'HRNet-32': (64, dict(PYRAMID, name='hrnet_w32.ms_in1k')),
    'SwinV2-T': (64, dict(PYRAMID, name='swinv2_tiny_window8_256', last_norm=True)),
    'DINOv2 ViT-S/14': (56, dict(type='TimmViT', position='hub', blocks=(5, 8, 11))),
    'EfficientNet-Lite0': (64, dict(PYRAMID, name='tf_efficientnet_lite0.in1k'))}
SMALL = {'model.head.channels': 32, 'model.head.hidden_channels': 64, 'model.head.num_slots': 40,
         'model.decoder_channels': 16, 'model.head.decoder_channels': 16, 'model.max_keypoints': 40, 'model.steps': 1,
         'model.test_steps': 1}


@pytest.fixture(scope='module')
def networks():
    """Backbones that were built before: building takes longer than a step."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('backbone', BACKBONES)
def test_it_trains_a_step_and_predicts(repo, make_episode, monkeypatch, networks, backbone, head):
    size, network = BACKBONES[backbone]

    def build(config, image_size):
        if backbone not in networks:
            networks[backbone] = built(config, image_size)
        return networks[backbone]
    built = estimators.build_backbone
    monkeypatch.setattr(estimators, 'build_backbone', build)
    options = {'model.backbone': dict(network, _delete_=True), 'model.image_size': size}
    if head == 'pomnet':
        options['model.support_backbone'] = dict(network, _delete_=True)
    config = repo / f'configs/_base_/models/{HEADS[head]}.py'
    options.update({key: value for key, value in SMALL.items() if _takes(config, key)})
    model, episode = init_estimator(config, cfg_options=options), make_episode(size=size)
    if not getattr(getattr(model, 'head', None), 'frozen', False):
        losses = model.train()(episode, mode='loss')
        total = sum(value for name, value in losses.items() if 'loss' in name)
        total.backward()
        torch.optim.SGD(model.parameters(), 1e-3).step()
        assert total.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    prediction = model.eval()(episode, mode='predict')
    assert prediction.points.shape == (2, 8, 2) and prediction.points.isfinite().all()
    assert prediction.scores.isfinite().all()


def _takes(config, key):
    """Whether the config's class has the option."""
    from capekit.engine.config import load_config
    from capekit.registry import MODELS, find_option
    part = load_config(config)
    *path, name = key.split('.')
    for step in path:
        part = part.get(step)
        if part is None:
            return False
    return find_option(MODELS, part, name) is not None
