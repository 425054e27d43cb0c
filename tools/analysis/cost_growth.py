"""Draw how time and memory of methods grow with shots, keypoints, batch and crop size, on this machine's CPU.

    python tools/analysis/cost_growth.py OUT.png CONFIG [CONFIG ...]

Black images and random weights; 1 shot, 17 keypoints, a batch of 16 and the crops of the config, of which one number
changes at a time. A test answers a batch of queries of one episode, its supports included; a training step learns from
a batch of episodes, one query each. CPU time of one thread, the fastest of three; memory that the process needs more
than before, at its peak. Prints the values, and why a method has none.
"""

import argparse
import multiprocessing
import re
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from capekit.apis import init_estimator
from capekit.cli import run
from capekit.engine.config import load_config
from capekit.engine.costs import blank_episode, prepared
from capekit.errors import CapekitError
from capekit.files import check_writable
from capekit.structures import Episode

USUAL = dict(shots=1, keypoints=17, batch=16)
VALUES = dict(shots=(1, 5, 20), keypoints=(17, 68, 100), batch=(4, 16, 64), crop=(96, 128, 192))
ROWS = (('test', 'ms'), ('test', 'MiB'), ('training step', 'ms'), ('training step', 'MiB'))


@torch.no_grad()
def test(estimator, shots: int, keypoints: int, batch: int, crop: int) -> None:
    episode = blank_episode(crop, keypoints, shots)
    queries = episode.query_images.expand(batch, -1, -1, -1)
    estimator.answer(prepared(estimator, episode), estimator.encode_query(queries))


def train(estimator, shots: int, keypoints: int, batch: int, crop: int) -> None:
    estimator.train().zero_grad()
    losses = estimator(Episode.collate([blank_episode(crop, keypoints, shots)] * batch), mode='loss')
    estimator.parse_losses(losses)[0].backward()


def measure(config: str, what: str, setting: dict) -> dict:
    """Milliseconds and MiB of one setting, in a process of its own, as a process's peak never falls."""
    torch.set_num_threads(1)
    loaded = load_config(config, dict(image_size=setting['crop']) if 'crop' in setting else None)
    setting = dict(setting, crop=loaded.test_dataloader.dataset.image_size)
    estimator = init_estimator(loaded, device='cpu')
    once = test if what == 'test' else train
    Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew
    before, least = peak_mib(), float('inf')
    for _ in range(3):
        start = time.process_time()
        once(estimator, **setting)
        least = min(least, time.process_time() - start)
    return {'ms': round(1000 * least, 1), 'MiB': round(peak_mib() - before)}


def growth(pool, config: str, what: str, name: str) -> list[dict]:
    """The costs at each value of one setting; nan where the method refuses it, such as more keypoints than slots."""
    costs = []
    for value in VALUES[name]:
        try:
            cost = pool.apply(measure, (config, what, {**USUAL, name: value}))
        except CapekitError as error:
            cost = dict(ms=float('nan'), MiB=float('nan'), error=str(error))
        print(f'{config}, {what}, {name} {value}: {cost}', flush=True)
        costs.append(cost)
    return costs


def peak_mib() -> float:
    """Of this process's memory."""
    return int(re.findall(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', metavar='OUT.png')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    args = parser.parse_args()
    check_writable(args.out, 'OUT.png')
    _, axes = plt.subplots(len(ROWS), len(VALUES), figsize=(11, 2.2 * len(ROWS)), sharex='col', sharey='row')
    # Forked: what is imported here is there at once.
    with multiprocessing.get_context('fork').Pool(1, maxtasksperchild=1) as pool:
        for number, config in enumerate(args.configs):
            learns = load_config(config).get('train_cfg') is not None
            style = dict(color=f'C{number % 10}', marker='.', linestyle='-' if number < 10 else '--',
                         label=Path(config).stem.partition('_synthetic')[0])
            for column, name in enumerate(VALUES):
                costs = {what: growth(pool, config, what, name) for what in ('test', 'training step')[:1 + learns]}
                for row, (what, unit) in enumerate(ROWS):
                    if what in costs:
                        axes[row, column].plot(VALUES[name], [cost[unit] for cost in costs[what]], **style)
                axes[-1, column].set_xlabel(name)
    for row, (what, unit) in enumerate(ROWS):
        axes[row, 0].set_ylabel(f'{what}, {unit}')
        axes[row, 0].set_yscale('log')
    axes[0, -1].legend(fontsize='small', bbox_to_anchor=(1, 1))
    plt.savefig(args.out, dpi=80, bbox_inches='tight')


if __name__ == '__main__':
    run(main)
