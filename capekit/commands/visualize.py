"""Draw what a method does inside, one figure per category.

    python tools/analysis/visualize.py CONFIG --what padding [--padding mixup] [--slots 35 70]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what sampling [--keypoints 0 4 7] [--layer -1]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what structure [--shots 3]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what attention [--shots 3] [--keypoints 0 4 7]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what stages

padding: FMMP's padded keypoints and their links, on a support and on the query (the paper's figure 3).
sampling: the points that FMMP reads around a keypoint, with their weight as opacity, and its estimate (figure 5).
structure: the edges that SDPNet predicts, drawn over the supports (its figure 5).
attention: for SDPNet, which support counts, what matches, and what each stage reads around a keypoint.
stages: where an iterative method puts the query's keypoints, stage by stage.

The images come from the config's test data; --cfg-options changes the paths.
"""

import argparse
from pathlib import Path
from typing import get_args

import torch

from capekit.apis import init_estimator
from capekit.commands.arguments import Overrides, add_protocol_arguments, load_with_protocol
from capekit.datasets import EpisodeKey
from capekit.engine.config import build
from capekit.errors import CapekitError
from capekit.models.heads import CapeFormerHead, FMMPHead, SDPNetHead
from capekit.models.mixup import MixupDraws
from capekit.models.padding import Kind, Padding
from capekit.registry import DATA_SAMPLERS, DATASETS
from capekit.structures import Episode
from capekit.visualization.mining import padding_figure, sampling_figure
from capekit.visualization.refinement import attention_figure, stages_figure, structure_figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='such as configs/fmmp/fmmp_r50_mp100.py')
    parser.add_argument('checkpoint', nargs='?', help='a capekit checkpoint; padding needs none')
    parser.add_argument('--what', choices=FIGURES, required=True)
    parser.add_argument('--out', default='work_dirs/images', metavar='DIR', help='default: %(default)s')
    parser.add_argument('--categories', type=int, nargs='+', help='category ids; default: all in the test data')
    parser.add_argument('--seed', type=int, default=1, help='seed of the choice of images and of the mixup draws')
    add_protocol_arguments(parser)
    parser.add_argument('--shots', type=int, help="supports; default: the config's")
    parser.add_argument('--padding', choices=get_args(Kind), default='mixup', help='default: %(default)s')
    parser.add_argument('--slots', type=int, nargs='+', default=[35, 70], help='keypoints after padding')
    parser.add_argument('--keypoints', type=int, nargs='+', help='default: three that are visible in all images')
    parser.add_argument('--layer', type=int, default=-1, help='recurrent layer, from 0; default: the last')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE')
    return parser.parse_intermixed_args()  # a checkpoint may follow the options


def main() -> None:
    args = parse_args()
    config = load_with_protocol(args)
    dataset = build(DATASETS, config.test_dataloader.dataset, 'test_dataloader.dataset')
    options = dict(config.test_dataloader.sampler, queries=1, episodes=1, seed=args.seed)
    if args.shots is not None:
        options['shots'] = args.shots
    sampler = DATA_SAMPLERS.build(options, default_args=dict(dataset=dataset))
    unknown = set(args.categories or ()) - set(dataset.categories)
    if unknown:
        raise CapekitError(f'--categories {min(unknown)}: not in the test data; it has {sorted(dataset.categories)}')
    draw, head, method = FIGURES[args.what]
    if args.checkpoint is None and draw is not padding:
        raise CapekitError(f'--what {args.what} draws a trained network: name a checkpoint after {args.config}')
    estimator = init_estimator(config, args.checkpoint)
    own = getattr(estimator, 'head', estimator)
    if not isinstance(own, head):
        raise CapekitError(f'--what {args.what} is for {method}; {args.config} has a {type(own).__name__}')
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for row in sampler.rows:
        category = dataset.categories[int(dataset.category_ids[row[-1]])]
        if args.categories and category.id not in args.categories:
            continue
        figure = draw(estimator, dataset[EpisodeKey(tuple(row.tolist()))], args)
        path = out / f'{args.what}_{category.id}_{category.name.replace("/", "_")}.png'
        figure.savefig(path, dpi=130)
        print(path)


def padding(estimator, episode: Episode, args: argparse.Namespace):
    """One column per number of slots, where the keypoints fit."""
    count, paddings = int(episode.num_keypoints[0]), []
    if max(args.slots) < count:
        raise CapekitError(f'--slots {max(args.slots)}: {episode.meta[0]["category"]} has {count} keypoints')
    for slots in (slots for slots in args.slots if slots >= count):
        draws = MixupDraws.draw(episode.links, slots, estimator.head.alpha, torch.Generator().manual_seed(args.seed))
        paddings.append((f'{args.padding} padding to {slots}', Padding(
            args.padding, episode.num_keypoints, episode.links, slots, estimator.head.variant, draws)))
    return padding_figure(episode, paddings)


def sampling(estimator, episode: Episode, args: argparse.Namespace):
    """One row per keypoint."""
    layers = len(estimator.head.support_layers)
    if not -layers <= args.layer < layers:
        raise CapekitError(f'--layer {args.layer}: the model has {layers} layers of support mining')
    return sampling_figure(estimator, episode, chosen_keypoints(episode, args), args.layer)


def structure(estimator, episode: Episode, args: argparse.Namespace):
    """One row of supports."""
    if estimator.head.structure is None:
        raise CapekitError(f"--what structure: {args.config} predicts none (model.head.structure='none')")
    return structure_figure(estimator, episode)


def attention(estimator, episode: Episode, args: argparse.Namespace):
    """One row per keypoint."""
    return attention_figure(estimator, episode, chosen_keypoints(episode, args))


def stages(estimator, episode: Episode, args: argparse.Namespace):
    """One row: the query."""
    return stages_figure(estimator, episode)


def chosen_keypoints(episode: Episode, args: argparse.Namespace) -> list:
    """Those asked for, or three that are visible in all images."""
    count = int(episode.num_keypoints[0])
    wrong = [k for k in args.keypoints or () if not 0 <= k < count]
    if wrong:
        raise CapekitError(f'--keypoints {wrong[0]}: {episode.meta[0]["category"]} has keypoints 0 to {count - 1}')
    seen = (episode.support_visible[0].all(0) & episode.query_visible[0]).nonzero()[:, 0].tolist()
    return args.keypoints or seen[::max(1, -(-len(seen) // 3))] or [0]


# Name -> the function that draws it, the heads it applies to, their name in an error.
FIGURES: dict[str, tuple] = dict(
    padding=(padding, FMMPHead, 'FMMP'), sampling=(sampling, FMMPHead, 'FMMP'),
    structure=(structure, SDPNetHead, 'SDPNet'), attention=(attention, SDPNetHead, 'SDPNet'),
    stages=(stages, (CapeFormerHead, FMMPHead, SDPNetHead), 'CapeFormer, FMMP and SDPNet'))
