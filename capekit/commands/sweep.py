"""Train and test the rows of a list of runs, such as the papers' tables, one JSON per row and seed.

    python tools/sweep.py configs/papers.yml --select capeformer/table3 [--data synthetic] [--seeds 3] [--out DIR] ...

Every row is done once: a finished one is not repeated, an interrupted one is resumed, and several sweeps may work on
one list with the same --out at the same time: torchrun --nproc_per_node 8 -m capekit sweep ... is one for each GPU.
Rows that are the same run are one run. --executor slurm makes a Slurm job of every training, through submitit.
"""

import argparse
import time
from pathlib import Path

from tabulate import tabulate

from capekit.commands.arguments import Overrides, Whole
from capekit.errors import CapekitError
from capekit.shipped import find_config
from capekit.sweeps.papers import DATA, load_papers
from capekit.sweeps.runs import Job, carry_out, groups, plan
from capekit.sweeps.slurm import submit

WAIT = 2.0
"""Seconds between looks at what other processes are doing."""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', help='a list of runs in YAML; configs/papers.yml has the rows of the papers')
    parser.add_argument('--select', nargs='+', default=[], metavar='NAME',
                        help='papers, tables, rows or runs, such as capeformer, capeformer/table3, '
                             'fmmp/table4/s3q3/split2 (default: all)')
    parser.add_argument('--data', choices=DATA, default='mp100',
                        help='mp100: the configs as they are; synthetic: generated images, small networks, reduced '
                             'schedules (default: %(default)s)')
    parser.add_argument('--data-root', metavar='DIR', help="of the data (default: the configs')")
    parser.add_argument('--seeds', action=Whole, default=1, metavar='N', help='of training, 0 to N - 1 (default: 1)')
    parser.add_argument('--out', type=Path, metavar='DIR', help='default: work_dirs/sweep_<data>')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='for every row, such as train_cfg.max_epochs=2; recorded with it')
    parser.add_argument('--list', action='store_true', help='say what there is to do, and do nothing')
    parser.add_argument('--executor', choices=('local', 'slurm'), default='local')
    parser.add_argument('--slurm', nargs='+', action=Overrides, default={}, metavar='KEY=VALUE',
                        help='of submitit, such as slurm_partition=gpu gpus_per_node=1 timeout_min=600')
    args = parser.parse_args()
    if args.slurm and args.executor != 'slurm':
        parser.error('--slurm is for --executor slurm')
    args.out = args.out or Path(f'work_dirs/sweep_{args.data}')
    return args


def main() -> None:
    args = parse_args()
    papers = load_papers(find_config(args.file))
    runs = papers.select(args.select)
    jobs = plan(papers, runs, args.data, args.seeds, args.out, args.cfg_options, args.data_root)
    planned = {job.run.row.id for job in jobs}
    nothing = {run.row.id: reason for run in runs if run.row.id not in planned
               and (reason := papers.missing(run, args.data))}
    if args.list:
        lines = [[job.run.id, job.seed, 'done' if job.done() else '', job.name] for job in jobs]
        print(tabulate([*lines, *([row, '', reason, ''] for row, reason in nothing.items())],
                       ['row', 'seed', 'state', 'run'], disable_numparse=True))
        return
    todo = groups([job for job in jobs if not job.done()])
    print(f'{len(jobs)} rows, {sum(map(len, todo))} of them to do, by {len(todo)} trainings; nothing to run for '
          f'{len(nothing)} rows')
    if args.executor == 'slurm':
        submit(todo, args.out / 'slurm', args.slurm)
    else:
        work(todo)


def work(todo: list[list[Job]]) -> None:
    """Do what no other process is doing, until all is done by someone.

    Raises:
        CapekitError: a row failed; the others are done first.
    """
    failed: list[str] = []
    told = False
    while todo:
        busy = []
        for jobs in todo:
            try:
                if not carry_out(jobs):
                    busy.append(jobs)
            except CapekitError as error:
                print(f'error: {error}', flush=True)
                failed.append(jobs[0].run.id)
        if len(busy) == len(todo):
            if not told:
                print(f'waiting for {busy[0][0].run.id} and {len(busy) - 1} more, which other processes are at',
                      flush=True)
            told = True
            time.sleep(WAIT)
        todo = busy
    if failed:
        raise CapekitError(f'{len(failed)} trainings failed: {", ".join(failed)}; their messages are above. The same '
                           'command tries them again')
