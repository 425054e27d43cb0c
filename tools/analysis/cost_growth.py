"""Draw how the time of an episode grows with shots, keypoints, queries and crop size, on this machine's CPU.

    python tools/analysis/cost_growth.py OUT.png CONFIG [CONFIG ...]

Random images and weights; an episode of 15 queries, 1 shot, 17 keypoints and the config's crops, of which one number
changes at a time. CPU time of one thread, the fastest of three. Prints the values.
"""

import argparse
import time

import matplotlib.pyplot as plt
import torch

from capekit.apis import init_estimator
from capekit.cli import run
from capekit.engine.config import load_config
from capekit.files import check_writable
from capekit.structures import Task

USUAL = dict(shots=1, keypoints=17, queries=15)
VALUES = dict(shots=(1, 5, 20), keypoints=(17, 68, 100), queries=(1, 15, 60), crop=(96, 128, 192))


@torch.no_grad()
def milliseconds(estimator, shots: int, keypoints: int, queries: int, crop: int) -> float:
    """Encoding all images of an episode, preparing its supports and answering its queries."""
    supports, images = (torch.randint(256, (count, 3, crop, crop), dtype=torch.uint8) for count in (shots, queries))
    points, visible = torch.rand(shots, keypoints, 2), torch.ones(shots, keypoints, dtype=torch.bool)
    task = Task(torch.tensor([keypoints]), [torch.arange(keypoints)[:, None].repeat(1, 2)[:-1]], [()])
    least = float('inf')
    for _ in range(4):
        start = time.process_time()
        support = estimator.encode_support(supports, points, visible)
        state = estimator.prepare({name: value[None] for name, value in support.items()}, task)
        estimator.answer(state, estimator.encode_query(images))
        least = min(least, time.process_time() - start)
    return 1000 * least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', metavar='OUT.png')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    args = parser.parse_args()
    check_writable(args.out, 'OUT.png')
    torch.set_num_threads(1)
    _, axes = plt.subplots(1, len(VALUES), figsize=(10, 2.6), sharey=True)
    for name in args.configs:
        config = load_config(name)
        estimator = init_estimator(config, device='cpu')
        usual = dict(USUAL, crop=config.test_dataloader.dataset.image_size)
        for axis, (what, values) in zip(axes, VALUES.items(), strict=True):
            times = [milliseconds(estimator, **{**usual, what: value}) for value in values]
            axis.plot(values, times, 'o-', label=type(estimator.head).__name__.removesuffix('Head'))
            axis.set_xlabel(what)
            print(name, what, dict(zip(values, (round(ms, 1) for ms in times), strict=True)))
    axes[0].set_ylabel('ms per episode')
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    plt.savefig(args.out, dpi=80, bbox_inches='tight')


if __name__ == '__main__':
    run(main)
