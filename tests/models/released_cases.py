"""The released models' recorded cases: weights, an episode and what the models answered."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch

from capekit.apis import init_estimator
from capekit.interop import convert
from capekit.structures import Episode

ROOT = Path(__file__).resolve().parents[2]
ALIAS = dict(capeformer=[('encoder_sample.', 'encoder_query.')])
CONFIG = dict(capeformer='configs/_base_/models/capeformer_r50.py', pomnet='configs/_base_/models/pomnet_r50.py',
              fmmp='configs/_base_/models/fmmp-release_r50.py')


def load_case(shared: Path, name: str) -> tuple:
    """The arrays of a case, `METHOD_<S>shot`, its episode, and our estimator with its weights, in eval mode."""
    path, method = shared / 'reference/parity', name.split('_')[0]
    spec = importlib.util.spec_from_file_location('parity_weights', path / 'weights.py')
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    case = np.load(path / f'{name}.npz')
    state = weights.state_dict(json.loads(str(case['keys'])), int(case['seed']), ALIAS.get(method, ()))
    state.update({key[3:]: case[key] for key in case.files if key.startswith('bn/')})
    estimator = init_estimator(ROOT / CONFIG[method])
    estimator.load_state_dict(convert(method, {key: torch.from_numpy(np.array(value)) for key, value in state.items()}))
    return case, _episode(case), estimator


def _episode(case) -> Episode:
    images = torch.from_numpy(case['images']).permute(0, 1, 4, 2, 3)
    points, visible = torch.from_numpy(case['points']) / 256, torch.from_numpy(case['visible'])
    links = [torch.zeros(0, 2, dtype=torch.long)] * 2
    if 'out/skeletons' in case.files:
        links = [torch.tensor(edges) for edges in json.loads(str(case['out/skeletons']))]
    return Episode(support_images=images[:, :-1], support_points=points[:, :-1], support_visible=visible[:, :-1],
                   query_images=images[:, -1], query_points=points[:, -1], query_visible=visible[:, -1],
                   num_keypoints=torch.from_numpy(case['counts']), links=links, meta=[{}, {}])
