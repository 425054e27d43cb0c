"""Records the answers of every method, so that any clone can test that they still hold.

    python tests/models/record.py [CASE ...]        # writes tests/models/recorded/CASE.npz

Run it only on code that passes tests/models/test_parity.py, and only when an answer is meant to change. Weights, images
and points are not stored; they follow from a recipe that depends on no library's defaults.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
import torch

from capekit.apis import init_estimator
from capekit.structures import Episode

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / 'recorded'
SHOTS = (1, 5)
SIZE, COUNTS = 64, (5, 8)
SMALL = {'model.backbone.name': 'resnet10t.c3_in1k', 'model.backbone.weights': None,
         'model.head.channels': 32, 'model.head.hidden_channels': 64}
COARSE = {**SMALL, 'model.backbone.strides': [16]}
CASES = {
    'capeformer': ('capeformer_r50', {**COARSE, 'model.head.num_slots': 20}),
    'pomnet': ('pomnet_r50', {
        **COARSE, 'model.support_backbone.name': 'resnet10t.c3_in1k', 'model.support_backbone.weights': None,
        'model.support_backbone.strides': [16], 'model.head.decoder_channels': 16}),
    'edgecape': ('edgecape_dinov2-s', {
        'model.backbone': dict(_delete_=True, type='TimmPyramid', name='resnet10t.c3_in1k', strides=(16,)),
        'model.head.channels': 32, 'model.head.hidden_channels': 64, 'model.head.num_slots': 20}),
    'fmmp-release': ('fmmp-release_r50', {**SMALL, 'model.head.num_slots': 20}),
    'graphcape': ('graphcape_swinv2-t', {**COARSE, 'model.backbone.last_norm': False}),
    'sdpnet': ('sdpnet_r50', {**COARSE, 'model.head.num_slots': 20, 'model.head.stages': 2}),
}


def _random(name: str) -> np.random.RandomState:
    """Random numbers that depend on this name alone; NumPy promises never to change what a RandomState yields."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def _fill(place: int, name: str, value: torch.Tensor) -> torch.Tensor:
    """A parameter or buffer of that shape, without zeros: determined by its position, which stays when names change."""
    if not value.is_floating_point():
        return value
    draws = torch.from_numpy(_random(f'parameter {place}').standard_normal(tuple(value.shape)))
    if name.endswith('running_var'):
        return (1 + 0.1 * draws).abs().to(value.dtype)
    if value.dim() > 1:
        # 1 would make every answer the same, 2 would make them depend on rounding.
        return (draws * (1.2 / value[0].numel()) ** 0.5).to(value.dtype)
    return (0.1 * draws + name.endswith('weight')).to(value.dtype)


def estimator_of(case: str) -> torch.nn.Module:
    """The small estimator of a case with its weights, in eval mode."""
    config, options = CASES[case]
    estimator = init_estimator(ROOT / f'configs/_base_/models/{config}.py', cfg_options=options)
    state = estimator.state_dict()
    estimator.load_state_dict({name: _fill(place, name, state[name]) for place, name in enumerate(state)})
    return estimator


def episode_of(shots: int) -> Episode:
    """Two episodes with 5 and 8 keypoints linked in a chain, one of them not visible in the first support, one in the
    query."""
    random, batch, slots = _random(f'{shots} shots'), len(COUNTS), max(COUNTS)
    blocks = random.randint(0, 256, (batch, shots + 1, 3, 8, 8)).astype(np.uint8)
    images = torch.from_numpy(blocks).repeat_interleave(SIZE // 8, -1).repeat_interleave(SIZE // 8, -2)
    points = torch.from_numpy(random.uniform(0.1, 0.9, (batch, shots + 1, slots, 2)).astype(np.float32))
    visible = torch.arange(slots).lt(torch.tensor(COUNTS)[:, None])[:, None].repeat(1, shots + 1, 1)
    visible[:, 0, 1] = visible[:, -1, 2] = False
    return Episode(support_images=images[:, :-1], support_points=points[:, :-1], support_visible=visible[:, :-1],
                   query_images=images[:, -1], query_points=points[:, -1], query_visible=visible[:, -1],
                   num_keypoints=torch.tensor(COUNTS),
                   links=[torch.stack((torch.arange(n - 1), torch.arange(1, n)), 1) for n in COUNTS],
                   meta=[{} for _ in COUNTS])


def answer(estimator: torch.nn.Module, shots: int) -> dict:
    """Name -> array: points, scores and layers of the real slots (padding may differ), and every loss term."""
    episode = episode_of(shots)
    real = torch.arange(max(COUNTS)) < episode.num_keypoints[:, None]
    prediction = estimator(episode, mode='predict')
    losses = estimator(episode, mode='loss')
    found = dict(points=prediction.points[real], scores=prediction.scores[real])
    if prediction.layers is not None:
        found['layers'] = prediction.layers[:, real]
    found.update({f'losses/{name}': value.detach() for name, value in losses.items()})
    return {name: value.numpy() for name, value in found.items()}


def main() -> None:
    """Write the cases named on the command line, or all."""
    FOLDER.mkdir(exist_ok=True)
    for case in sys.argv[1:] or CASES:
        estimator = estimator_of(case)
        answers = {f'{shots}shot/{name}': value for shots in SHOTS for name, value in answer(estimator, shots).items()}
        np.savez_compressed(FOLDER / f'{case}.npz', **answers)
        print(f'{case}: {len(answers)} arrays')


if __name__ == '__main__':
    main()
