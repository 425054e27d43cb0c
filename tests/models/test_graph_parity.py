"""The two released models with a graph: recorded answers, losses and gradients, with images and of the heads alone."""

import json

import numpy as np
import pytest
import torch
from heads.asking import ask
from released_cases import load_case, read_case

from capekit.interop import convert
from capekit.interop.released import CONVERTERS
from capekit.models.heads import GraphCapeHead
from capekit.structures import Episode

# One ReLU of these variants stands at 4e-7, on the other side of zero in the recorded run; every other path agrees.
AT_A_KINK = ('pre', 'pre_short')


def _losses(case, prefix):
    return {key.removeprefix(prefix): float(case[key]) for key in case.files if key.startswith(prefix)}


def _check_answers(prediction, losses, case, prefix=''):
    """Points of every layer, proposals and losses; whatever else was recorded of similarity and mask."""
    np.testing.assert_allclose(prediction.layers.detach(), case[f'{prefix}out/layers'], rtol=0, atol=5e-5)
    for name, tolerance in (('proposals', 1e-4), ('similarity', 1e-3), ('mask', 0)):
        if f'{prefix}out/{name}' in case.files:
            found = prediction.extras[name].detach().float()
            np.testing.assert_allclose(found, case[f'{prefix}out/{name}'], rtol=0, atol=tolerance)
    found = {name: float(value.detach()) for name, value in losses.items()}
    assert found == pytest.approx(_losses(case, f'{prefix}out/loss/'), rel=1e-4)


def _check_gradients(module, losses, case, prefix='', relative=1e-3):
    """Norms of all terms together and of the layers' alone; classifier and constants of the file have none."""
    layers = [value for name, value in losses.items() if name.startswith('l1_loss')]
    parameters = dict(module.named_parameters())
    released = [name for name, _ in json.loads(str(case[f'{prefix}keys']))]
    for array, terms in (('gradient', list(losses.values())), ('gradient_layers', layers)):
        module.zero_grad()
        torch.stack(terms).sum().backward(retain_graph=True)
        for name, norm in zip(released, case[f'{prefix}mid/{array}'], strict=True):
            if not convert('graphcape', {name: torch.zeros(1)}):
                assert norm == 0
                continue
            parameter = parameters[CONVERTERS['graphcape'](_shifted(name)).removeprefix('head.' if prefix else '')]
            found = 0.0 if parameter.grad is None else float(parameter.grad.norm())
            assert found == pytest.approx(norm, rel=relative, abs=1e-6), f'{array} of {name}'


def _shifted(name):
    """Where the release halves the map at the end of a stage, timm does at the start of the next."""
    for stage in (2, 1, 0):
        name = name.replace(f'backbone.layers.{stage}.downsample', f'backbone.layers.{stage + 1}.downsample')
    return name


@pytest.mark.slow
@pytest.mark.parametrize('name', ['graphcape_1shot', 'graphcape_5shot'])
def test_graphcape(shared, name):
    case, episode, estimator = load_case(shared, name)
    prediction = estimator(episode, mode='tensor')
    losses = estimator.head.loss(prediction, episode)
    _check_answers(prediction, losses, case)
    np.testing.assert_allclose(prediction.extras['peaks'].detach(), case['mid/start'], rtol=0, atol=1e-4)
    _check_gradients(estimator, losses, case)


@pytest.mark.parametrize('variant', ['none', 'pre', 'post', 'both', 'pre_short', 'pre_far'])
def test_graphcapes_head(shared, variant):
    case, state = read_case(shared, 'graphcape_heads', f'{variant}/')
    place = variant.split('_')[0]
    head = GraphCapeHead(in_channels=(768,), graph=place).eval()
    head.load_state_dict({name.removeprefix('head.'): value for name, value in convert('graphcape', state).items()})
    slots, shots = case[f'{variant}/out/layers'].shape[2], int(case['shots'])
    points, visible = (torch.from_numpy(case[key][:, :, :slots]) for key in ('points', 'visible'))
    points, counts = points / 256, torch.from_numpy(case['counts'])
    maps = 3 * np.random.default_rng(int(case['seed']) + 20000).standard_normal((len(counts), shots + 1, 768, 8, 8))
    maps = torch.from_numpy(maps.astype(np.float32))
    links = [torch.tensor(edges) for edges in json.loads(str(case['out/skeletons']))]
    support = head.encode_support([maps[:, :-1].flatten(0, 1)], points[:, :-1].flatten(0, 1),
                                  visible[:, :-1].flatten(0, 1))
    support = {name: value.unflatten(0, (len(counts), shots)) for name, value in support.items()}
    prediction = ask(head, support, head.encode_query([maps[:, -1]]), counts, links)
    image = torch.zeros(len(counts), 3, 1, 1)
    losses = head.loss(prediction, Episode(
        support_images=image[:, None], support_points=points[:, :-1], support_visible=visible[:, :-1],
        query_images=image, query_points=points[:, -1], query_visible=visible[:, -1], num_keypoints=counts))
    _check_answers(prediction, losses, case, f'{variant}/')
    _check_gradients(head, losses, case, f'{variant}/', 2.5e-3 if variant in AT_A_KINK else 1e-3)
