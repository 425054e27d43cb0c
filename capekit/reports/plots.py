"""Plots of finished runs: accuracy against shots, training categories and epochs, bars per (super-)category."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from capekit.reports.runs import PERCENT, FinishedRun, Measured, over_seeds

TITLES = dict(mp100='MP-100', synthetic='generated data')
INCHES = (6.4, 4.2)
BAR = 0.13
"""Inches of height per bar."""
COLOURS = 10
"""Of matplotlib's cycle; further lines are dashed, then dotted."""
STYLES, HATCHES = ('-', '--', ':'), (None, '//', '..')


def draw_plots(runs: Sequence[FinishedRun], folder: Path, metric: str = 'PCK@0.2') -> list[Path]:
    """Draw whatever the runs give: a plot against something needs runs that differ in it.

    Args:
        runs: from `load_runs`.
        folder: gets the .png files; created if necessary.
        metric: on the vertical axis.

    Returns:
        the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unique = list({(run.run, Path(run.report or run.path).name) if run.run else run.path: run for run in runs}.values())
    drawn = []
    for data, title in TITLES.items():
        here = [run for run in unique if run.on == data]
        for name, label, of in (('shots', 'shots', lambda run: run.shots),
                                ('categories', 'training categories', training_categories)):
            drawn += _against(here, label, of, metric, title, folder / f'{data}_{name}.png')
    tables = defaultdict(list)
    for run in runs:
        tables[run.on, run.paper, run.table, run.part].append(run)
    for key, group in tables.items():
        data, *where = filter(None, key)
        stem, title = '_'.join([data, *where]), ', '.join([*where, TITLES.get(data, data)])
        drawn += _epochs(group, metric, title, folder / f'{stem}_epochs.png')
        for level in ('supercategories', 'categories'):
            drawn += _bars(group, level, metric, title, folder / f'{stem}_{level}.png')
    return drawn


def training_categories(run: FinishedRun) -> int | None:
    """Number of categories that a run was trained on; None where its file does not say.

    Files older than `train_categories` say it only where the row named them.
    """
    if run.train_categories is not None:
        return run.train_categories
    stated = run.options.get('train_dataloader.dataset.categories')
    return len(stated) if isinstance(stated, list) else None


def _against(runs: Iterable[FinishedRun], label: str, of: Callable, metric: str, title: str, path: Path) -> list[Path]:
    """One line per method and setting, one point per value of `of`; lines of a single point are left out."""
    lines: dict[tuple, dict] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        value = of(run)
        if value is not None:
            lines[_setting(run, label)][value].append(run)
    points = {key: {value: measured for value in sorted(at) if (measured := over_seeds(at[value], metric))}
              for key, at in lines.items()}
    points = {key: at for key, at in points.items() if len(at) > 1}
    if not points:
        return []
    figure, axes = _figure(INCHES)
    for number, (key, at) in enumerate(points.items()):
        means, ends = [measured.mean for measured in at.values()], [_ends(measured) for measured in at.values()]
        axes.errorbar(list(at), means, [[mean - low for mean, (low, _) in zip(means, ends, strict=True)],
                                        [high - mean for mean, (_, high) in zip(means, ends, strict=True)]],
                      marker='o', capsize=3, label=key[0], color=f'C{number % COLOURS}',
                      linestyle=STYLES[number // COLOURS % len(STYLES)])
    axes.set_xticks(sorted({value for at in points.values() for value in at}))
    _finish(axes, label, metric, title)
    return _save(figure, path)


def _setting(run: FinishedRun, label: str) -> tuple:
    """What must agree between the points of a line, its name first: all settings but the horizontal axis."""
    varied = 'train_dataloader.dataset.categories' if label != 'shots' else 'test_dataloader.sampler.shots'
    rest = sorted((key, str(value)) for key, value in run.options.items()
                  if key != varied and not key.startswith('protocol.'))
    method = Path(run.config).stem.removesuffix('_mp100').removesuffix('_synthetic_1shot')
    method = re.sub(r'-human-body-from\d+', '', method)  # MP-100 has a config per number of categories
    part = '' if run.split is None and run.cross is None else f', {run.cross or f"split {run.split}"}'
    shots = run.shots if label != 'shots' else None
    changed = ', '.join(f'{key.rpartition(".")[2]}={value}' for key, value in rest if key.startswith('model.'))
    return f'{method}{part}{f", {shots} shot" if shots else ""}{f", {changed}" if changed else ""}', tuple(rest)


def _epochs(runs: Sequence[FinishedRun], metric: str, title: str, path: Path) -> list[Path]:
    """Validation while training, one line per run; the first seed of each row in full colour, others pale."""
    figure, axes = _figure(INCHES)
    colours: dict[str, int] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        epochs, values = run.validation(metric)
        if epochs:
            name = _row_name(run, runs)
            first, number = name not in colours, colours.setdefault(name, len(colours))
            axes.plot(epochs, values, marker='.', label=name if first else None, color=f'C{number % COLOURS}',
                      linestyle=STYLES[number // COLOURS % len(STYLES)], alpha=1 if first else 0.4)
    if not colours:
        return []
    _finish(axes, 'epoch', f'{metric}, validation categories', title)
    return _save(figure, path)


def _bars(runs: Sequence[FinishedRun], level: str, metric: str, title: str, path: Path) -> list[Path]:
    """A group of bars per (super-)category, one bar per row: its first seed, with the interval over episodes."""
    found: dict[str, dict] = {}
    seeds = set()
    for run in sorted(runs, key=lambda run: run.seed):
        report, name = run.test_report, _row_name(run, runs)
        if report is not None and name not in found:
            seeds.add(run.seed)
            found[name] = {record['name']: record['metrics'][metric] for record in report.get(level, ())
                           if metric in record['metrics']}
    groups = list(dict.fromkeys(group for of in found.values() for group in of))
    if not groups:
        return []
    factor, height = 100 if metric.startswith(PERCENT) else 1, 0.8 / len(found)
    figure, axes = _figure((INCHES[0], 1.4 + BAR * len(groups) * (len(found) + 1)))
    for number, (name, of) in enumerate(found.items()):
        places = [place + number * height for place, group in enumerate(groups) if group in of]
        metrics = [of[group] for group in groups if group in of]
        values = [factor * one['value'] for one in metrics]
        errors = [[factor * abs(one.get(side, one['value']) - one['value']) for one in metrics]
                  for side in ('low', 'high')]
        axes.barh(places, values, height, xerr=errors, label=name, color=f'C{number % COLOURS}',
                  hatch=HATCHES[number // COLOURS % len(HATCHES)], error_kw=dict(linewidth=0.8))
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(groups))], groups, fontsize=7)
    axes.set_ylim(len(groups) - height / 2, -height)
    _finish(axes, f'{metric}, seed {", ".join(map(str, sorted(seeds)))}, 95 % interval over episodes', '', title)
    return _save(figure, path)


def _row_name(run: FinishedRun, runs: Sequence[FinishedRun]) -> str:
    """Its label, with the shots where other rows differ in them."""
    return run.label if len({other.shots for other in runs}) < 2 else f'{run.label}, {run.shots} shot'


def _ends(measured: Measured) -> tuple[float, float]:
    """Of an error bar: a standard deviation over seeds, or the interval of a single one."""
    mean, spread = measured.mean, measured.spread
    if spread is not None:
        return mean - spread, mean + spread
    return mean if measured.low is None else measured.low, mean if measured.high is None else measured.high


def _figure(inches: tuple):
    from matplotlib.figure import Figure  # heavy: imported only where used
    figure = Figure(figsize=inches, layout='constrained')
    return figure, figure.subplots()


def _finish(axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    legend = axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1, 1))
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), *legend.get_texts()):
        text.set_parse_math(False)  # categories have any name


def _save(figure, path: Path) -> list[Path]:
    figure.savefig(path, dpi=130)
    return [path]
