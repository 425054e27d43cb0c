"""How long keypoint padding and breadth-first orders take for a batch of episodes, on one core.

    python tools/analysis/benchmark_padding.py data/mp100/annotations/mp100_split1_train.json [--batch 16] [--shots 5]

All that a training step does: draws, the supports padded, their orders and the query's, the query padded for the loss.
Categories, visibility and episodes are the annotation file's; no images are needed. Milliseconds of CPU time a batch,
the least and the middle of many batches after warm-up; beside them what the images of the batch take to decode and
crop, where --images names their folder.
"""

import argparse
import time

import numpy as np
import torch
from tabulate import tabulate

from capekit.cli import run
from capekit.datasets import MP100Dataset, TrainEpisodes
from capekit.models.padding import KINDS, VARIANTS, MixupDraws, Padding
from capekit.structures import Episode

WARM_UP = 10


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann_file')
    parser.add_argument('--images', metavar='DIR', help='also time decoding and cropping')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--shots', type=int, default=5)
    parser.add_argument('--slots', type=int, default=70)
    parser.add_argument('--references', type=int, default=8, help='M, keypoints that each one reads around')
    parser.add_argument('--rounds', type=int, default=100)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.set_num_threads(1)
    dataset = MP100Dataset(args.ann_file, images=args.images)
    keys = TrainEpisodes(dataset, args.shots).epoch_episodes(0)
    batches = [_batch(dataset, keys[start:start + args.batch]) for start in range(0, len(keys), args.batch)]
    rows = []
    for variant in VARIANTS:
        for kind in KINDS:
            times = [_milliseconds(pad, batches[number % len(batches)], kind, variant, args)
                     for number in range(WARM_UP + args.rounds)][WARM_UP:]
            rows.append((f'{kind} padding and orders, {variant}', min(times), float(np.median(times))))
    if args.images:
        numbers = [i for key in keys[:args.batch] for i in key.instances]
        times = [_milliseconds(lambda: [dataset.crop(i) for i in numbers]) for _ in range(3)]
        rows.append((f'decoding and cropping the {len(numbers)} images', min(times), float(np.median(times))))
    print(f'{args.batch} episodes of {args.shots} shots, {args.slots} slots, one core, torch {torch.__version__}')
    print(tabulate(rows, ['ms a batch', 'least', 'median'], floatfmt='.2f'))


def pad(batch: Episode, kind: str, variant: str, args: argparse.Namespace) -> None:
    """What `FMMPHead` does once a batch, its network apart."""
    padding = Padding(kind, batch.num_keypoints, batch.links, args.slots, variant,
                      MixupDraws.draw(batch.links, args.slots) if kind == 'mixup' else None)
    visible = padding.pad(batch.support_points, batch.support_visible)[1]
    padding.breadth_first(visible, args.references)
    if variant == 'paper':  # the query's order is of its own; in 'release' it is the last support's
        seen = batch.support_visible.any(1, keepdim=True)
        padding.breadth_first(padding.pad(batch.support_points[:, :1], seen)[1], args.references)
    padding.pad(batch.query_points, batch.query_visible)


def _batch(dataset: MP100Dataset, keys: list) -> Episode:
    """Some episodes without their images."""
    episodes = []
    for instances, _ in keys:
        category = dataset.categories[int(dataset.category_ids[instances[0]])]
        drawn = torch.from_numpy(dataset.keypoints[list(instances), :category.num_keypoints]).float()
        points, visible, images = drawn[None, :, :, :2], drawn[None, :, :, 2] > 0, torch.empty(1, 0)
        episodes.append(Episode(
            support_images=images, support_points=points[:, :-1], support_visible=visible[:, :-1],
            query_images=images, query_points=points[:, -1], query_visible=visible[:, -1],
            num_keypoints=torch.tensor([category.num_keypoints]), links=[torch.from_numpy(category.links.copy())]))
    return Episode.collate(episodes)


def _milliseconds(function, *arguments) -> float:
    start = time.process_time()
    function(*arguments)
    return 1000 * (time.process_time() - start)


if __name__ == '__main__':
    run(main)
