"""What models cost, and what is missing from the parameter counts that CapeFormer's paper prints."""

import pytest
import torch
from mmcv.cnn.bricks.transformer import FFN
from torch import nn

from capekit.apis import init_estimator
from capekit.engine.complexity import Rates, measure
from capekit.engine.costs import blank_episode, count_flops, counted
from capekit.models.layers import FeedForward

SMALL = {'model.backbone.name': 'resnet10t.c3_in1k', 'image_size': 64, 'model.head.channels': 32,
         'model.head.hidden_channels': 64}
RATES = Rates(flops=1e12, read_bytes=1e9)


def _count(modules) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(('config', 'printed', 'parameters'), [
    ('configs/pomnet/pomnet_r50_mp100.py', 48.21, 61_074_817),
    ('configs/capeformer/capeformer-one-stage_r50_mp100.py', 26.86, 28_699_840),
    ('configs/capeformer/capeformer_r50_mp100.py', 31.14, 36_524_998)])
def test_published_counts_leave_out_attention_and_layers_of_mmcv(repo, config, printed, parameters):
    """docs/complexity.md has this as a table."""
    estimator = init_estimator(repo / config)
    assert _count([estimator]) == parameters
    modules, head = list(estimator.modules()), estimator.head
    missed = _count(module for module in modules if isinstance(module, nn.MultiheadAttention))
    missed += _count([head.query_projection, head.support_projection])
    if 'pomnet' in config:
        layers = [layer for module in modules if isinstance(module, FeedForward)
                  for layer in module.modules() if isinstance(layer, nn.Linear)]
        missed += _count(layers) + _count(m for m in modules if isinstance(m, nn.ConvTranspose2d))
    assert round((parameters - missed) / 1e6, 2) == printed
    assert type(FFN(8, 8).layers[0][0]) is not nn.Linear  # which is why such a counter misses them


def test_sides_add_up(repo):
    config = repo / 'configs/capeformer/capeformer_r50_mp100.py'
    one, five = (measure(init_estimator(config, cfg_options=SMALL), shots, RATES, keypoints=5, rounds=1)
                 for shots in (1, 5))
    _, whole = counted(lambda: init_estimator(config, cfg_options=SMALL)(blank_episode(64, 5), mode='predict'))
    assert one.support_flops + one.query_flops == whole
    assert five.query_flops == one.query_flops and 4 < five.support_flops / one.support_flops <= 5
    assert 0 < one.backbone_parameters < one.parameters and one.query_ms > 0 and one.memory_mib > 100


@pytest.mark.parametrize('method', ['maml', 'finetune'])
def test_adaptation_is_counted_forwards_and_backwards(repo, method):
    """The support side: every step, and the error before and after."""
    small = {'model.backbone.name': 'resnet10t.c3_in1k', 'image_size': 64, 'model.decoder_channels': 16}
    config = repo / f'configs/{method}/{method}_r50_mp100.py'
    one, two = (measure(init_estimator(config, cfg_options={**small, 'model.steps': steps}), 3, RATES, 5, 1)
                for steps in (1, 2))
    step, forward = two.support_flops - one.support_flops, 3 * one.query_flops
    assert one.support_flops == step + 2 * forward
    assert 2.8 * forward < step < 3 * forward  # the images need no gradient


def test_attention_is_counted():
    attention = nn.MultiheadAttention(16, 2, bias=False).eval()
    tokens = torch.zeros(10, 1, 16)
    with torch.no_grad():
        _, flops = counted(lambda: attention(tokens, tokens, tokens, need_weights=False))
    assert flops == 4 * 2 * 10 * 16 * 16 + 2 * 2 * 10 * 10 * 16


def test_learned_embeddings_do_not_stop_the_counter(repo):
    learned = {**SMALL, 'model.head.identifier': 'learned'}
    estimator = init_estimator(repo / 'configs/capeformer/capeformer_r50_mp100.py', cfg_options=learned)
    assert measure(estimator, 1, RATES, 5, 1).query_flops > 0
    assert count_flops(estimator, 64, 5) > 0 and all(parameter.requires_grad for parameter in estimator.parameters())


def test_the_slower_of_arithmetic_and_reading_counts(repo):
    assert RATES.products_ms(flops=5e9, parameters=1e6) == 5 and RATES.products_ms(flops=3e9, parameters=1e6) == 4
    estimator = init_estimator(repo / 'configs/capeformer/capeformer_r50_mp100.py', cfg_options=SMALL)
    one = measure(estimator, 1, RATES, 5, 1)
    assert one.products_ms == RATES.products_ms(one.query_flops, one.parameters)


def test_rates_of_this_machine():
    rates = Rates.measured('cpu', rounds=1)
    assert rates.flops > 1e8 and rates.read_bytes > 1e7
