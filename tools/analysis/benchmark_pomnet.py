"""How long POMNet takes for the keypoints that exist, beside a loop over all slots as the released code runs it.

    python tools/analysis/benchmark_pomnet.py [--keypoints 17] [--slots 100] [--json OUT]

Random weights and images: the time does not depend on them. CPU time, the least of several rounds that take turns,
so that other work on the machine disturbs little.
"""

import argparse
import time
from collections.abc import Callable

import torch
from tabulate import tabulate

from capekit.apis import init_estimator
from capekit.cli import run
from capekit.commands.arguments import Overrides
from capekit.files import write_json
from capekit.structures import Episode

CONFIG = 'configs/_base_/models/pomnet_r50.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=CONFIG, help='of a POMNet (default: %(default)s)')
    parser.add_argument('--keypoints', type=int, default=17, help='of the category')
    parser.add_argument('--slots', type=int, default=100, help='the loop goes over')
    parser.add_argument('--queries', type=int, default=15, help='that share an episode of the protocol')
    parser.add_argument('--size', type=int, default=256, help='of the crops in pixels')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--json', metavar='OUT', help='also write the figures to this file')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE')
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    estimator = init_estimator(args.config, cfg_options=args.cfg_options)
    few, many = (random_episode(args, slots) for slots in (args.keypoints, args.slots))
    support, query = features(estimator, few)
    padded, _ = features(estimator, many)
    seconds = cpu_seconds(dict(
        encode_support=lambda: estimator.encode_support(
            few.support_images[0], few.support_points[0], few.support_visible[0]),
        encode_query=lambda: estimator.encode_query(few.query_images),
        head=lambda: estimator.head(support, query, few.num_keypoints, few.links),
        loop=lambda: loop_over_slots(estimator.head, padded, query)), args.rounds)
    rows = []
    for title, supports, queries in (('head', 0, 0), ('support, query and head', 1, 1),
                                     (f'episode of {args.queries} queries', 1, args.queries)):
        encoding = supports * seconds['encode_support'] + queries * seconds['encode_query']
        ours, looped = (encoding + max(queries, 1) * seconds[name] for name in ('head', 'loop'))
        rows.append([title, ours, looped, ours / looped])
    headers = ['CPU seconds', f'{args.keypoints} keypoints', f'loop over {args.slots} slots', 'ratio']
    print(tabulate(rows, headers, floatfmt=('', '.3f', '.3f', '.3f')))
    if args.json:
        write_json(args.json, dict(seconds=seconds, rows=[dict(zip(headers, row, strict=True)) for row in rows],
                                   threads=args.threads, torch=torch.__version__))


def random_episode(args: argparse.Namespace, slots: int) -> Episode:
    """One support and one query with `args.keypoints` keypoints in `slots` slots."""
    generator = torch.Generator().manual_seed(0)

    def images(*shape):
        return torch.randint(0, 256, (*shape, 3, args.size, args.size), dtype=torch.uint8, generator=generator)

    visible = (torch.arange(slots) < args.keypoints)[None]
    return Episode(support_images=images(1, 1), support_points=torch.rand(1, 1, slots, 2, generator=generator),
                   support_visible=visible[None], query_images=images(1), query_points=torch.rand(1, slots, 2),
                   query_visible=visible, num_keypoints=torch.tensor([args.keypoints]),
                   links=[torch.zeros(0, 2, dtype=torch.long)])


def features(estimator, episode: Episode) -> tuple:
    """What the estimator keeps of an episode's support and query."""
    support = estimator.encode_support(
        episode.support_images[0], episode.support_points[0], episode.support_visible[0])
    return {name: value[None] for name, value in support.items()}, estimator.encode_query(episode.query_images)


def loop_over_slots(head, support: dict, query: dict) -> torch.Tensor:
    """The released way: padding goes through everything, the Matching Head takes one slot after the other."""
    pixels, seen = query['pixels'], support['seen'][:, 0]
    tokens = head.interact(support['keypoints'].mean(1) * seen[..., None], pixels, seen)
    heatmaps = []
    for token in tokens.unbind(1):
        copied = token[..., None, None].expand(-1, -1, *pixels.shape[-2:])
        matched = head.matching.norm(head.matching.conv(torch.cat((pixels, copied), 1))).relu()
        for layer in head.matching.decoder:
            matched = layer(matched)
        heatmaps.append(matched)
    return torch.cat(heatmaps, 1)


def cpu_seconds(tasks: dict[str, Callable], rounds: int) -> dict:
    """The least CPU time of each task."""
    least = dict.fromkeys(tasks, float('inf'))
    for _ in range(rounds + 1):  # one to warm up
        for name, task in tasks.items():
            start = time.process_time()
            task()
            least[name] = min(least[name], time.process_time() - start)
    return least


if __name__ == '__main__':
    run(main)
