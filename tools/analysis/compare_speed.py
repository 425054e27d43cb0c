#!/usr/bin/env python
"""Compare the speed of tests, or of training, of two versions of capekit, in turns on the same data.

    python tools/analysis/compare_speed.py OLD NEW CONFIG [--shots 1 5] [--rounds 5] [--cfg-options KEY=VALUE ...]
    python tools/analysis/compare_speed.py OLD NEW CONFIG --train

OLD and NEW are checkouts, such as `git worktree add` makes, or the same one with --amp. Each runs in its own process
and answers the same pairs with the same random weights, or takes the same steps from the same start, in turns, so that
other load affects both. What counts is the CPU time of the fastest round, on one thread each: on a busy machine the
wall time says more about the other load. In tests, images are read anew in every round. Prints pairs or episodes per
CPU second, their ratio, and the largest difference between the answers, in crop sides, or between the losses.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

MARK = 'answer: '


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('old', help='a checkout')
    parser.add_argument('new', help='another')
    parser.add_argument('config', help='that both have, such as configs/synthetic/capeformer_r18_synthetic_1shot.py')
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 5])
    parser.add_argument('--categories', type=int, default=1, help='of tests: how many, the first of the file')
    parser.add_argument('--episodes', type=int, default=40, help='of tests, per category')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--train', action='store_true', help='compare training')
    parser.add_argument('--amp', action='store_true', help='NEW computes in bfloat16')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for shots in args.shots:
        versions = [start(args, checkout, shots, amp) for checkout, amp in ((args.old, False), (args.new, args.amp))]
        rounds = [[ask(version) for version in versions] for _ in range(args.rounds + 1)][1:]  # the first warms up
        old, new = (max(answer['rate'] for answer in answers) for answers in zip(*rounds, strict=True))
        values = [answer['values'] for answer in rounds[-1]]
        apart = max(abs(a - b) for a, b in zip(*values, strict=True))
        count, compared = ('episodes', 'losses') if args.train else ('pairs', 'points')
        print(f'{args.config}, {shots} shot: {old:.1f} and {new:.1f} {count} per CPU second, ratio {new / old:.2f}; '
              f'{compared} differ by at most {apart:.1e}', flush=True)
        for version in versions:
            version.stdin.close()
            version.wait()


def start(args: argparse.Namespace, checkout: str, shots: int, amp: bool) -> subprocess.Popen:
    """A process that answers the plan, or takes the steps, once for every line that it reads."""
    task = dict(config=args.config, options=args.cfg_options, shots=shots, categories=args.categories,
                episodes=args.episodes, train=args.train, amp=amp)
    return subprocess.Popen([sys.executable, os.path.abspath(__file__), json.dumps(task)], cwd=checkout, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            env={**os.environ, 'PYTHONPATH': os.path.abspath(checkout), 'OMP_NUM_THREADS': '1'})


def ask(version: subprocess.Popen) -> dict:
    """One round of a process."""
    assert version.stdin is not None and version.stdout is not None
    version.stdin.write('\n')
    version.stdin.flush()
    for line in version.stdout:  # the runner logs to it too
        if line.startswith(MARK):
            return json.loads(line.removeprefix(MARK))
    raise SystemExit(f'a version ended with status {version.wait()}')


def answer_rounds(task: dict) -> None:
    """Answer the plan once for every line of the standard input."""
    import numpy as np
    import torch

    from capekit.apis import init_estimator
    from capekit.engine.config import load_config
    from capekit.engine.runner import build_runner
    config = load_config(task['config'], dict(option.split('=', 1) for option in task['options']))
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    config.test_dataloader.sampler.update(shots=task['shots'], episodes=task['episodes'])
    torch.manual_seed(0)
    estimator = init_estimator(config, device='cpu')
    for parameter in estimator.parameters():
        if parameter.dim() == 2 and not parameter.any():  # layers that start at zero would hide differences
            torch.nn.init.normal_(parameter, std=0.01)
    with tempfile.TemporaryDirectory() as folder:
        loop = build_runner(config, ['test'], folder, model=estimator).test_loop
        dataset, queries = loop.dataloader.dataset, loop.plan.queries
        chosen = list(dataset.categories)[:task['categories']]
        numbers = np.flatnonzero(np.isin(dataset.category_ids[queries[:, 0]], chosen))
        sides = dataset.bboxes[queries[numbers]][..., 2:].max(-1)
        predictor = loop._get_predictor()
        for _ in sys.stdin:
            start = time.process_time()
            with torch.autocast('cpu', torch.bfloat16, enabled=task['amp']):
                answers = {number: points for batch in predictor.predict(loop.plan, numbers)
                           for number, points in zip(batch[0].tolist(), batch[1], strict=True)}
            seconds = time.process_time() - start
            points = np.stack([answers[number] for number in numbers.tolist()]) / sides[..., None, None]
            answer = dict(rate=sides.size / seconds, values=points.flatten().tolist())
            print(MARK + json.dumps(answer), flush=True)


def train_rounds(task: dict) -> None:
    """Take the same three steps from the same start for every line of the standard input."""
    import copy

    import torch
    from mmengine.optim import build_optim_wrapper
    from torch.utils.data import DataLoader

    from capekit.apis import init_estimator
    from capekit.datasets import TrainEpisodes
    from capekit.engine.config import build, load_config
    from capekit.registry import DATASETS
    from capekit.structures import Episode
    config = load_config(task['config'], dict(option.split('=', 1) for option in task['options']))
    dataset = build(DATASETS, config.train_dataloader.dataset, 'train_dataloader.dataset')
    loader = iter(DataLoader(dataset, config.train_dataloader.batch_size, sampler=TrainEpisodes(dataset, task['shots']),
                             collate_fn=Episode.collate, drop_last=True))
    batches = [next(loader) for _ in range(3)]
    torch.manual_seed(0)
    fresh = init_estimator(config, device='cpu').train()
    for _ in sys.stdin:
        torch.manual_seed(0)
        estimator, losses = copy.deepcopy(fresh), []
        wrapper = build_optim_wrapper(estimator, copy.deepcopy(config.optim_wrapper))
        start = time.process_time()
        for batch in batches:
            with torch.autocast('cpu', torch.bfloat16, enabled=task['amp']):
                loss, _ = estimator.parse_losses(estimator(batch, mode='loss'))
            wrapper.update_params(loss)
            losses.append(float(loss.detach()))
        rate = len(batches) * len(batches[0]) / (time.process_time() - start)
        print(MARK + json.dumps(dict(rate=rate, values=losses)), flush=True)


if __name__ == '__main__':
    if len(sys.argv) == 2 and sys.argv[1].startswith('{'):
        asked = json.loads(sys.argv[1])
        (train_rounds if asked['train'] else answer_rounds)(asked)
    else:
        main()
