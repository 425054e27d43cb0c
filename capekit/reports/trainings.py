"""What the numbers of several runs are based on, said once: how each was trained, the seeds, the machine."""

from collections.abc import Callable, Sequence

from tabulate import tabulate

from capekit.reports.runs import DATA, FinishedRun

UNTRAINED = 'nothing to train'


def trainings(runs: Sequence[FinishedRun], name: Callable[[FinishedRun], str]) -> list[str]:
    """A table with a line per way of training, where there are several; what these share; seeds and machines.

    Args:
        runs: that the numbers are of.
        name: of a run, for the first column.
    """
    ways: dict[tuple, list[str]] = {}
    for run in runs:
        ways.setdefault(_parts(run), []).append(name(run))
    trained = [parts for parts in ways if UNTRAINED not in parts]
    shared = [part for part in trained[0] if all(part in parts for parts in trained)] if len(trained) > 1 else []
    lines = [['; '.join(dict.fromkeys(names)), '; '.join(part for part in parts if part not in shared)]
             for parts, names in ways.items()]
    said = [tabulate(lines, ['numbers of', 'training'], 'github', disable_numparse=True)] if len(lines) > 1 else [
        f'Training: {training}.' for _, training in lines]
    if shared:
        said.append(f'All trainings: {"; ".join(shared)}.')
    if runs:
        said.append(f'PCK in percent. Seeds: {_values(runs, "seed")}. A single one has its 95 % interval over '
                    'episodes, several have mean ± standard deviation (and their number).')
    return [*said, *([f'On: {devices}.'] if (devices := _values(runs, 'device')) else [])]


def _parts(run: FinishedRun) -> tuple[str, ...]:
    """The data, then the parts of the schedule, each option one of them."""
    schedule = run.schedule.partition('; changed by --cfg-options')[0]
    options = (f'`{key}={value}`' for key, value in (run.cfg_options or {}).items())
    return (DATA.get(run.on, run.on), *schedule.split('; '), *options)


def _values(runs: Sequence[FinishedRun], key: str) -> str:
    return ', '.join(map(str, sorted({value for run in runs if (value := getattr(run, key)) is not None})))
