"""`compile=True`: the same losses, and no new compilation for other categories. The backend 'eager' only traces."""

import pytest
import torch
from mmengine.config import Config
from torch._dynamo.utils import counters

from capekit.apis import init_estimator
from capekit.engine.compiling import compile_parts
from capekit.engine.runner import CapeRunner
from capekit.errors import CapekitError

SMALL = {'model.backbone.name': 'resnet10t.c3_in1k', 'image_size': 64}
HEADS = {
    'protonet': {}, 'capeformer': {'model.head.encoder_layers': 1, 'model.head.decoder_layers': 2},
    'sdpnet': {'model.head.encoder_layers': 1}, 'fmmp': {'model.head.num_layers': 2}}


@pytest.fixture(autouse=True)
def _afresh():
    torch._dynamo.reset()
    counters.clear()


@pytest.mark.parametrize('method', HEADS)
def test_other_keypoints_and_links_are_not_compiled_anew(repo, make_episode, method):
    config = repo / f'configs/synthetic/{method}_r18_synthetic_1shot.py'
    estimator = init_estimator(config, cfg_options={**SMALL, **HEADS[method]}).train()
    episodes = [make_episode(batch=2, shots=1, counts=counts, seed=seed)
                for seed, counts in enumerate(((5, 9), (10, 7), (4, 13)))]  # other sizes than a map has

    def losses() -> list:
        result = []
        for episode in episodes:
            torch.manual_seed(0)
            result.append(estimator.parse_losses(estimator(episode, mode='loss'))[0])
        return result

    expected = losses()
    compile_parts(estimator, dict(backend='eager'))
    torch.testing.assert_close(losses(), expected, rtol=1e-4, atol=1e-5)
    graphs = counters['stats']['unique_graphs']
    losses()
    assert counters['stats']['unique_graphs'] == graphs
    one = dict(counters['stats'])
    episodes[:] = [make_episode(batch=2, shots=1, counts=(6, 11), seed=9)]
    losses()
    assert counters['stats'] == one, counters['graph_break']
    assert graphs <= (8 if method == 'fmmp' else 4)  # the backbone, and the head's prepare, answer and loss


def test_a_method_without_a_head_says_so(repo):
    estimator = init_estimator(repo / 'configs/synthetic/maml_r18_synthetic_1shot.py')
    with pytest.raises(CapekitError, match='compile: MAMLEstimator has no head'):
        compile_parts(estimator, {})


@pytest.mark.parametrize(('compiled', 'options'), [(True, {}), (dict(mode='default'), dict(mode='default')),
                                                   (False, None), (None, None)])
def test_the_runner_compiles_where_the_config_says_so(monkeypatch, compiled, options):
    taken = []
    monkeypatch.setattr('capekit.engine.runner.compile_parts', lambda model, options: taken.append(options))
    runner = CapeRunner.__new__(CapeRunner)
    runner.cfg, runner.model = Config(dict(compile=compiled)), None
    runner._maybe_compile('train_step')
    assert taken == ([] if options is None else [options])
