"""Parameters, FLOPs, milliseconds and memory of configs, in one table.

    python tools/analysis/complexity.py [CONFIG ...] [--shots 1 5] [--device cpu] [--json docs/runs/complexity.json]

By default all shipped MP-100 configs; those that cost the same are one row. FLOPs as in `capekit costs`, for the
support side (once per support set) and the query side (once per query) apart. Time, on one thread of a CPU, and memory
are those of the first number of shots. Each model is measured once, in a process of its own, however many configs
build it; weights are random. Beside the time of a query stands what as many FLOPs take in matrix products on this
machine, or reading the parameters from memory if that takes longer.
"""

import argparse
import json
import multiprocessing
from dataclasses import asdict
from pathlib import Path

import torch

from capekit.commands.arguments import Whole
from capekit.engine.complexity import Rates, measure
from capekit.engine.config import load_config
from capekit.engine.crop_size import sized_model, stage_to_answer
from capekit.files import check_writable, write_json
from capekit.progress import track
from capekit.reports.complexity import complexity_table
from capekit.shipped import find_config, shipped_configs


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', help='default: all shipped ones for MP-100')
    parser.add_argument('--shots', action=Whole, nargs='+', default=[1, 5], help='supports (default: 1 5)')
    parser.add_argument('--keypoints', action=Whole, default=17, help='of the category (default: %(default)s)')
    parser.add_argument('--rounds', action=Whole, default=5, help='timings; the fastest counts (default: %(default)s)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write the results to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.json is not None:
        check_writable(args.json, '--json')
    shipped = shipped_configs()
    chosen = args.configs or [str(path.relative_to(shipped.parent)) for path in sorted(shipped.glob('*/*_mp100.py'))]
    models = {config: _model(config) for config in chosen}
    distinct = {model: config for config, model in models.items()}
    # A process of its own for each: peaks of memory never fall.
    with multiprocessing.get_context('spawn').Pool(1, maxtasksperchild=1) as pool:
        rates = pool.apply(_rates, (args.device,))
        jobs = [(config, args.shots, rates, args.keypoints, args.rounds, args.device) for config in distinct.values()]
        measured = dict(zip(distinct, track(pool.imap(_measure, jobs), len(jobs), 'models'), strict=True))
    records = [dict(config=config, shots=measured[model]) for config, model in models.items()]
    result = dict(device=_device_name(args.device), torch=torch.__version__, keypoints=args.keypoints,
                  rates=asdict(rates), records=records)
    if args.json is not None:
        write_json(args.json, result)
    print(complexity_table(result))


def _model(config: str) -> str:
    """The settings of what a config builds, as text."""
    loaded = load_config(find_config(config))
    return json.dumps(sized_model(loaded, stage_to_answer(loaded)), sort_keys=True, default=str)


def _measure(job: tuple) -> dict:
    from capekit.apis import init_estimator
    config, shots, rates, keypoints, rounds, device = job
    torch.set_num_threads(1)
    estimator = init_estimator(find_config(config), device=device)
    return {str(count): measure(estimator, count, rates, keypoints, rounds).as_dict() for count in shots}


def _rates(device: str) -> Rates:
    torch.set_num_threads(1)
    return Rates.measured(device)


def _device_name(device: str) -> str:
    """A GPU's name; of a CPU, its model."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return device
    return next((line.partition(': ')[2] for line in lines if line.startswith('model name')), device)
