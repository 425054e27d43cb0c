"""Look at what a model is given: supports and query after cropping, augmentation and padding, with keypoints and links.

    python tools/browse.py CONFIG [--stage train] [--episodes 20] [--seed 0] [--out work_dirs/browse]

Writes one image per episode, and a page to leaf through them. Of training, it shows the first episodes that a run with
this seed is given, in batches as its data loader makes them; of a validation or test, some episodes of its plan, each
with its first query. No checkpoint is needed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np
from mmengine.config import Config

from capekit.choices import Seed
from capekit.commands.arguments import Overrides, Whole, add_protocol_arguments, load_with_protocol
from capekit.commands.data import evaluation_data, loader_of
from capekit.datasets import EpisodeKey
from capekit.engine.config import build, check_config
from capekit.engine.runner import CapeRunner
from capekit.files import check_writable
from capekit.registry import DATA_SAMPLERS, DATASETS
from capekit.structures import Episode
from capekit.visualization import Caption, Gallery, configured_visualizer, episode_figure, slots_of


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='such as configs/capeformer/capeformer_r50_mp100.py')
    parser.add_argument('--stage', choices=('train', 'val', 'test'), default='train', help='default: %(default)s')
    parser.add_argument('--episodes', action=Whole, default=20, metavar='N', help='how many; default: %(default)s')
    parser.add_argument('--seed', action=Whole, allowed=Seed,
                        help="of the training, by default the config's; of the choice in a test")
    parser.add_argument('--out', default='work_dirs/browse', metavar='DIR', help='default: %(default)s')
    add_protocol_arguments(parser)
    parser.add_argument('--shots', action=Whole, help="supports; default: the config's")
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_writable(args.out, '--out', folder=True)
    config = load_with_protocol(args, *(['shots'] if args.stage == 'train' else []))
    gallery = Gallery(args.out, f'{args.stage} data of {Path(args.config).stem}',
                      configured_visualizer(config, args.out))
    given = training_episodes(config, args.seed) if args.stage == 'train' else planned_episodes(config, args)
    for number, (name, episode) in enumerate(islice(given, args.episodes)):
        category = episode.meta[0]['category']
        gallery.add(f'{number:04}_{category}', episode_figure(episode),
                    Caption(category, episode=name, note=slots_of(episode)))
    print(f'{len(gallery)} episodes; to leaf through, open {gallery.close()}')


def training_episodes(config: Config, seed: int | None) -> Iterator[tuple[str, Episode]]:
    """The episodes of the first epoch, in order, as (which, batch of one)."""
    loader = loader_of(config, 'train')
    dataset = build(DATASETS, loader['dataset'], 'train_dataloader.dataset')
    sampler = dict(loader['sampler'], **({} if seed is None else dict(seed=seed)))
    check_config(sampler, 'train_dataloader.sampler', DATA_SAMPLERS)
    of_run = config.get('randomness', {}).get('seed') or 0
    sampler = DATA_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=of_run))
    loaded = CapeRunner.build_dataloader(dict(loader, dataset=dataset, sampler=sampler, num_workers=0))
    for number, batch in enumerate(loaded):
        for place in range(len(batch)):
            yield f'{place} of batch {number}', one_of(batch, place)


def one_of(batch: Episode, place: int) -> Episode:
    """One episode of a batch, with the batch's keypoint slots."""
    return Episode(**{part.name: getattr(batch, part.name)[place:place + 1] for part in fields(batch)})


def planned_episodes(config: Config, args: argparse.Namespace) -> Iterator[tuple[str, Episode]]:
    """Random episodes of the plan, in its order, as (which, batch of one)."""
    dataset, plan = evaluation_data(config, args.stage, shots=args.shots)
    chosen = np.random.default_rng(args.seed or 0).permutation(len(plan))[:args.episodes]
    for number in sorted(chosen.tolist()):
        instances = (*plan.supports[number].tolist(), int(plan.queries[number, 0]))
        yield f'{number}, query 0', dataset[EpisodeKey(instances)]
