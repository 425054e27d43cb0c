"""Runs as Slurm jobs, which submitit (https://github.com/facebookincubator/submitit) writes, submits and resubmits."""

import importlib
import time
from collections.abc import Sequence
from pathlib import Path

from capekit.errors import CapekitError, one_line
from capekit.sweeps.runs import Job, carry_out


class Task:
    """Runs that share a training, as what submitit calls on a node, and calls again after a preemption or a timeout."""

    def __init__(self, jobs: Sequence[Job]):
        self.jobs = list(jobs)

    def __call__(self) -> None:
        while not carry_out(self.jobs):
            time.sleep(60)

    def checkpoint(self):
        """Asked for when time is running out: the same again, which resumes."""
        return importlib.import_module('submitit').helpers.DelayedSubmission(self)


def submit(todo: Sequence[Sequence[Job]], folder: Path, options: dict) -> None:
    """Submit one Slurm job for each training.

    Args:
        todo: jobs by training.
        folder: for submitit's files and the jobs' output.
        options: of submitit's executor, such as dict(slurm_partition='gpu', timeout_min=600).

    Raises:
        CapekitError: submitit is not installed, does not know an option, or finds no Slurm.
    """
    try:
        submitit = importlib.import_module('submitit')
    except ImportError:
        raise CapekitError('--executor slurm needs submitit; fix: pip install submitit') from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster='slurm')
        executor.update_parameters(**options)
    except (RuntimeError, NameError, TypeError, ValueError) as error:
        raise CapekitError(f'--executor slurm: {one_line(error)}') from None
    for jobs in todo:
        submitted = executor.submit(Task(jobs))
        print(f'job {submitted.job_id}: {", ".join(job.run.id for job in jobs)}, seed {jobs[0].seed}')
