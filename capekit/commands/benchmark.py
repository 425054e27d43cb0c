"""Measure speed and memory of a config on this machine, all in one run.

    python tools/analysis/benchmark.py CONFIG [--episodes 200] [--shots 1 5] [--train-seconds 20] [--json OUT]

Prints crops per second and core, training samples per second, the time of each part of the estimator, the speed-up from
preparing a support set once for all its queries, test pairs per second with and without keeping encoded images, their
ratio, and the peak memory. The data are the config's: change the paths with --cfg-options.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from tabulate import tabulate
from torch.utils.data import DataLoader

from capekit.apis import init_estimator
from capekit.commands.arguments import Overrides, Whole, add_protocol_arguments, load_with_protocol
from capekit.datasets import EpisodeKey, TestPlan, TrainEpisodes, released_test_plan
from capekit.engine.config import build
from capekit.engine.inference import EpisodePredictor
from capekit.files import write_json
from capekit.registry import DATASETS
from capekit.structures import Episode, Task


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='such as configs/capeformer/capeformer_r50_mp100.py')
    add_protocol_arguments(parser)
    parser.add_argument('--shots', action=Whole, nargs='+', default=[1, 5])
    parser.add_argument('--categories', action=Whole, default=1, help='test categories, the first of the file')
    parser.add_argument('--episodes', action=Whole, default=200, help='tests of a category (200 in the protocol)')
    parser.add_argument('--pairs', action=Whole, default=64, help='rows answered by the plain loop, which is slow')
    parser.add_argument('--rounds', action=Whole, default=5, help='timings of each part; the fastest counts')
    parser.add_argument('--train-seconds', type=float, default=20)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', metavar='OUT', help='also write the results to this file')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    config = load_with_protocol(args)
    test_set = build(DATASETS, config.test_dataloader.dataset, 'test_dataloader.dataset')
    figures = [('crops per second, one core', crops_per_second(test_set))]
    if args.train_seconds > 0:
        train_set = build(DATASETS, config.train_dataloader.dataset, 'train_dataloader.dataset')
        figures.append(('training samples (episodes) per second', train_samples_per_second(config, train_set, args)))
    estimator = init_estimator(config, device=args.device)
    for shots in args.shots:
        plan = released_test_plan(test_set, shots, episodes=args.episodes)
        queries = plan.queries.shape[1]
        chosen = list(test_set.categories)[:args.categories]
        numbers = np.flatnonzero(np.isin(test_set.category_ids[plan.queries[:, 0]], chosen))
        figures += part_seconds(estimator, test_set, plan, numbers[0], shots, args)
        predictor = EpisodePredictor(estimator, test_set, config.test_dataloader.batch_size)
        kept = rate(predictor.predict(plan, numbers), len(numbers) * queries)
        some = numbers[:max(1, args.pairs // queries)]
        predictor.batch_size = min(16, predictor.batch_size)
        plain = rate(predictor.predict_pairs(plan, some), len(some) * queries)
        figures += [(f'test pairs per second, {shots} shot, each image encoded once', kept),
                    (f'test pairs per second, {shots} shot, pair by pair', plain),
                    (f'ratio, {shots} shot', kept / plain)]
    figures.append(('peak memory, GiB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20))
    if args.device.startswith('cuda'):
        figures.append(('peak GPU memory, GiB', torch.cuda.max_memory_allocated() / 2 ** 30))
    print(f'{args.config}, {args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}')
    print(tabulate(figures, ['', 'value'], floatfmt='.2f'))
    if args.json:
        write_json(args.json, dict(config=args.config, device=args.device, threads=torch.get_num_threads(),
                                   torch=torch.__version__, figures=dict(figures)))


@torch.no_grad()
def part_seconds(estimator, dataset, plan: TestPlan, number: int, shots: int, args: argparse.Namespace) -> list:
    """Milliseconds per part of one episode, preparing its supports once compared with once per query included."""
    row, queries = plan.supports[number].tolist(), plan.queries[number].tolist()
    episodes = Episode.collate([dataset[EpisodeKey((*row, query))] for query in queries]).to(args.device)
    task, count = episodes.task, len(queries)
    one = Task(task.num_keypoints[:1], task.links[:1], task.names[:1])
    supports = (episodes.support_images[0], episodes.support_points[0], episodes.support_visible[0])
    support = {name: value[None] for name, value in estimator.encode_support(*supports).items()}
    repeated = {name: value.expand(count, *value.shape[1:]) for name, value in support.items()}
    query = estimator.encode_query(episodes.query_images)
    state = estimator.prepare(support, one)
    parts = {
        'encode a support image': (lambda: estimator.encode_support(*supports), shots),
        'encode a query image': (lambda: estimator.encode_query(episodes.query_images), count),
        'prepare a support set': (lambda: estimator.prepare(support, one), 1),
        'answer a query': (lambda: estimator.answer(state, query), count),
        f'head, {count} queries, prepared once': (lambda: estimator.answer(estimator.prepare(support, one), query), 1),
        f'head, {count} queries, prepared for each': (
            lambda: estimator.answer(estimator.prepare(repeated, task), query), 1)}
    least = dict.fromkeys(parts, float('inf'))
    for _ in range(args.rounds):  # in turns, so that other load affects all parts alike
        for name, (part, divisor) in parts.items():
            least[name] = min(least[name], seconds(part, args.device) / divisor)
    *_, once, each = least.values()
    return [*((f'{name}, {shots} shot, ms', 1000 * value) for name, value in least.items()),
            (f'gain of preparing once, {shots} shot', each / once)]


def seconds(part: Callable[[], object], device: str) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    part()
    if device.startswith('cuda'):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def rate(batches, count: int) -> float:
    """Rows per second of a generator that answers `count` rows."""
    start = time.perf_counter()
    for _ in batches:
        pass
    return count / (time.perf_counter() - start)


def crops_per_second(dataset, count: int = 200) -> float:
    """Decoding and warping, as in a data loader worker."""
    numbers = np.random.default_rng(0).permutation(len(dataset))[:count].tolist()
    dataset.crop(numbers[0])
    start = time.perf_counter()
    for number in numbers:
        dataset.crop(number)
    return len(numbers) / (time.perf_counter() - start)


def train_samples_per_second(config: Config, dataset, args: argparse.Namespace) -> float:
    """Episodes through forward, backward and an optimiser step, loading included."""
    loader = config.train_dataloader
    sampler = TrainEpisodes(dataset, loader.sampler.shots)
    batches = iter(DataLoader(dataset, loader.batch_size, sampler=sampler, num_workers=min(2, loader.num_workers),
                              collate_fn=Episode.collate, drop_last=True))
    model = init_estimator(config, device=args.device).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-5)

    def step():
        optimizer.zero_grad()
        sum(value for name, value in model(next(batches), mode='loss').items() if 'loss' in name).backward()
        optimizer.step()
        if args.device.startswith('cuda'):
            torch.cuda.synchronize()

    step()  # warm-up
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < args.train_seconds:
        step()
        steps += 1
    return steps * loader.batch_size / (time.perf_counter() - start)
