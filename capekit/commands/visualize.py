"""Draw what a method does inside: one figure per category, and a page to leaf through them.

    python tools/analysis/visualize.py CONFIG --what padding [--padding mixup] [--slots 35 70]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what sampling [--keypoints 0 4 7] [--layer -1]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what structure [--shots 3]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what attention [--shots 3] [--keypoints 0 4 7]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what similarity [--keypoints 0 4 7]
    python tools/analysis/visualize.py CONFIG CHECKPOINT --what stages

padding: FMMP's padded keypoints and their links, on a support and on the query (the paper's figure 3).
sampling: the points that FMMP reads around a keypoint, with their weight as opacity, and its estimate (figure 5).
structure: the edges that SDPNet (its figure 5) or EdgeCape predicts, drawn over the supports.
attention: for SDPNet, which support counts, what matches, and what each stage reads around a keypoint.
similarity: where on the query a method finds a keypoint: its similarity map, or its heat map.
stages: where an iterative method puts the query's keypoints, stage by stage.

The images come from the config's test data; --cfg-options changes the paths. An option without effect on the kind of
figure is an error.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from capekit.apis import init_estimator
from capekit.choices import Seed
from capekit.commands.arguments import Overrides, Whole, add_protocol_arguments, load_with_protocol
from capekit.commands.data import evaluation_data
from capekit.datasets import EpisodeKey
from capekit.errors import CapekitError
from capekit.files import check_writable
from capekit.models.heads import CapeFormerHead, EdgeCapeHead, FMMPHead, GraphCapeHead, SDPNetHead
from capekit.models.mixup import MixupDraws
from capekit.models.padding import Kind, Padding
from capekit.structures import Episode
from capekit.visualization import Caption, Gallery, configured_visualizer
from capekit.visualization.mining import padding_figure, sampling_figure
from capekit.visualization.refinement import attention_figure, similarity_figure, stages_figure, structure_figure

# Options that only some kinds of figures have -> what they are if not given.
DEFAULTS = dict(padding='mixup', slots=[35, 70], keypoints=None, layer=-1, shots=None)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='such as configs/fmmp/fmmp_r50_mp100.py')
    parser.add_argument('checkpoint', nargs='?', help='a capekit checkpoint; padding has no use for one')
    parser.add_argument('--what', choices=FIGURES, required=True)
    parser.add_argument('--out', default='work_dirs/images', metavar='DIR', help='default: %(default)s')
    parser.add_argument('--categories', type=int, nargs='+', help='category ids; default: all in the test data')
    parser.add_argument('--seed', action=Whole, allowed=Seed, default=1,
                        help='seed of the choice of images and of the mixup draws')
    add_protocol_arguments(parser)
    parser.add_argument('--shots', action=Whole, help="supports; default: the config's")
    parser.add_argument('--padding', choices=get_args(Kind), help='default: mixup')
    parser.add_argument('--slots', action=Whole, nargs='+', help='keypoints after padding; default: 35 70')
    parser.add_argument('--keypoints', type=int, nargs='+', help='default: three that are visible in all images')
    parser.add_argument('--layer', type=int, help='recurrent layer, from 0; default: the last')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE')
    return parser.parse_intermixed_args()  # a checkpoint may follow the options


def main() -> None:
    args = parse_args()
    kind = FIGURES[args.what]
    refuse_without_effect(args, kind)
    check_writable(args.out, '--out', folder=True)
    config = load_with_protocol(args)
    dataset, plan = evaluation_data(config, 'test', queries=1, episodes=1, seed=args.seed, shots=args.shots)
    unknown = set(args.categories or ()) - set(dataset.categories)
    if unknown:
        raise CapekitError(f'--categories {min(unknown)}: not in the test data; it has {sorted(dataset.categories)}')
    estimator = init_estimator(config, args.checkpoint)
    own = getattr(estimator, 'head', estimator)
    if not isinstance(own, kind.heads):
        raise CapekitError(f'--what {args.what} is for {kind.methods}; {args.config} has a {type(own).__name__}')
    if kind.trained and args.checkpoint is None and not getattr(own, 'frozen', False):
        raise CapekitError(f'--what {args.what} draws a trained network: name a checkpoint after {args.config}')
    gallery = Gallery(args.out, f'{args.what} of {Path(args.config).stem}', configured_visualizer(config, args.out))
    for row in plan.rows:
        category = dataset.categories[int(dataset.category_ids[row[-1]])]
        if args.categories and category.id not in args.categories:
            continue
        figure = kind.draw(estimator, dataset[EpisodeKey(tuple(row.tolist()))], args)
        print(gallery.add(f'{args.what}_{category.id}_{category.name}', figure, Caption(category.name)))
    print(f'to leaf through, open {gallery.close()}')


def refuse_without_effect(args: argparse.Namespace, kind: 'FigureKind') -> None:
    """Refuse options that the kind of figure does not have; give those that it has their default."""
    for name, default in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif name not in kind.options:
            having = ', '.join(what for what, other in FIGURES.items() if name in other.options)
            raise CapekitError(f'--{name} has no effect on --what {args.what}; it is for {having}')
    if args.checkpoint is not None and not kind.trained:
        raise CapekitError(f'{args.checkpoint}: a checkpoint has no effect on --what {args.what}; leave it out')


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
    head = estimator.head
    if isinstance(head, SDPNetHead) and head.structure is None:
        raise CapekitError(f"--what structure: {args.config} predicts none (model.head.structure='none')")
    if isinstance(head, EdgeCapeHead) and head.stage == 'base':
        raise CapekitError(f"--what structure: {args.config} predicts none (model.head.stage='base')")
    return structure_figure(estimator, episode)


def attention(estimator, episode: Episode, args: argparse.Namespace):
    """One row per keypoint."""
    return attention_figure(estimator, episode, chosen_keypoints(episode, args))


def similarity(estimator, episode: Episode, args: argparse.Namespace):
    """One row per keypoint."""
    return similarity_figure(estimator, episode, chosen_keypoints(episode, args))


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


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: what draws it, of which heads, and which options it has."""

    draw: Callable
    heads: type | tuple[type, ...]
    methods: str
    """The heads' methods, for an error."""
    options: tuple[str, ...]
    trained: bool = True
    """It shows what a trained network does."""


FIGURES = dict(
    padding=FigureKind(padding, FMMPHead, 'FMMP', ('padding', 'slots'), trained=False),
    sampling=FigureKind(sampling, FMMPHead, 'FMMP', ('keypoints', 'layer', 'shots')),
    structure=FigureKind(structure, (SDPNetHead, EdgeCapeHead), 'SDPNet and EdgeCape', ('shots',)),
    attention=FigureKind(attention, SDPNetHead, 'SDPNet', ('keypoints', 'shots')),
    similarity=FigureKind(similarity, torch.nn.Module, 'any method', ('keypoints', 'shots')),
    stages=FigureKind(stages, (CapeFormerHead, EdgeCapeHead, FMMPHead, GraphCapeHead, SDPNetHead),
                      'CapeFormer, EdgeCape, FMMP, GraphCape and SDPNet', ('shots',)))
