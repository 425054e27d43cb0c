"""What is kept of a finished run: one JSON, from which tables are made."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config

from capekit.apis import init_estimator
from capekit.datasets.dataset import MP100Dataset
from capekit.engine.config import build
from capekit.engine.costs import count_flops, count_parameters
from capekit.engine.provenance import provenance
from capekit.files import read_json, read_json_lines
from capekit.registry import DATASETS
from capekit.sweeps.papers import MEAN

if TYPE_CHECKING:
    from capekit.sweeps.runs import Job

FORMAT = 1
_KEYPOINTS = 17
"""Keypoints of the category for which FLOPs are counted."""


def record(job: 'Job', trained: dict, tested: dict) -> dict:
    """Everything about a run that has been trained and tested, as JSON-able data; paths are relative to `job.file`.

    `train_categories` is None if nothing was trained, or on data of another class than `MP100Dataset`. `ms_per_query`
    is `test_seconds` over all queries: neither report nor log holds the network's time alone, so the command's start,
    images, supports and scoring are in it.
    """
    report = read_json(job.test.with_suffix('.json'))
    run, protocol = job.run, job.testing.get('protocol') or {}
    ends = sorted(job.folder.glob('*/vis_data/scalars.json'))
    curve = next((path for path in reversed(ends) if '"loss"' in path.read_text()), None)
    data = _training_data(job.training)
    return dict(
        format=FORMAT, paper=run.row.paper, table=run.row.table, row=run.row.name,
        part=run.part if job.data == 'mp100' else '', label=run.row.label, published=_published(job),
        parent=job.parent, changes=run.row.changes, run=job.name,
        data=dict(name=_data(job), train=_hashes_of(data.source) if data is not None else {},
                  test=_hashes_of(report['source'])),
        train_categories=len(data.categories) if data is not None and 'train_cfg' in job.training else None,
        schedule=_schedule(job), config=_within_configs(job.source), options=job.options, cfg_options=job.cfg_options,
        resolved=job.testing.pretty_text, seed=job.seed, shots=report['shots'],
        split=protocol.get('split'), cross=protocol.get('cross'),
        **{key: value for key, value in provenance().items() if key != 'command'},
        **{name: version(name) for name in ('mmengine', 'timm', 'numpy')}, device=_device(),
        metrics=report['overall']['metrics'], categories=len(report['categories']),
        supercategories=len(report['supercategories']), queries=report['rows'], unscored_rows=report['unscored_rows'],
        report=_relative(job, job.test.with_suffix('.json')), dump=_relative(job, job.test.with_suffix('.npz')),
        checkpoint=_relative(job, job.folder / trained['checkpoint']) if trained['checkpoint'] else None,
        curve=_relative(job, curve) if curve else None,
        **{key: value for key, value in trained.items() if key != 'checkpoint'},
        **tested, ms_per_query=1000 * tested['test_seconds'] / report['rows'], train_cuda_mib=_cuda(curve),
        **_costs(job.testing, report['shots']))


def _data(job: 'Job') -> str:
    """'synthetic' too for a list that names configs of generated data itself."""
    return 'synthetic' if job.source.parent.name == 'synthetic' else job.data


def _published(job: 'Job') -> dict:
    """On generated data, where splits are one run, the mean over the splits stands for them."""
    run, row = job.run, job.run.row
    if job.data == 'mp100' or not run.part:
        return run.published
    values = dict(zip(row.columns, row.published, strict=True))
    return {row.metric: value} if (value := values.get(MEAN)) is not None else {}


def _schedule(job: 'Job') -> str:
    """How long training was, and, on generated data, what it stands for."""
    config = job.training
    if 'train_cfg' not in config:
        return 'nothing to train'
    loader, dataset = config.train_dataloader, config.train_dataloader.dataset
    per_category = loader.sampler.get('episodes_per_category') or 'as many as the largest category has instances'
    said = [f'{config.train_cfg.max_epochs} epochs', f'episodes per category and epoch: {per_category}',
            f'batches of {loader.batch_size}', f'crops of {dataset.get("image_size", 256)} pixels']
    rate_for = (config.get('auto_scale_lr') or {}).get('base_batch_size', loader.batch_size)
    if rate_for != loader.batch_size:
        said.append(f'learning rate scaled from batches of {rate_for}')
    if job.data == 'synthetic':
        said.append(f'reduced: {_within_configs(job.source)} stands for the config of MP-100, with its schedule')
    if job.cfg_options:
        said.append(f'changed by --cfg-options {" ".join(f"{key}={value}" for key, value in job.cfg_options.items())}')
    return '; '.join(said)


def _training_data(config: Config) -> MP100Dataset | None:
    """Without images; None where there is none, or of another class."""
    loader: Any = config.get('train_dataloader')
    if not loader:
        return None
    dataset = build(DATASETS, dict(loader.dataset, images=None), 'train_dataloader.dataset')
    return dataset if isinstance(dataset, MP100Dataset) else None


def _hashes_of(source: dict) -> dict:
    return dict(zip(source['ann_files'], source['sha256'], strict=True))


def _costs(config: Config, shots: int) -> dict:
    """Parameters, and FLOPs but for methods that learn from the supports."""
    estimator = init_estimator(config)
    adapts = getattr(estimator, 'head', None) is None
    size = config.test_dataloader.dataset.get('image_size', 256)
    return dict(parameters=count_parameters(estimator),
                flops=None if adapts else count_flops(estimator, size, _KEYPOINTS, shots))


def _cuda(curve: Path | None) -> float | None:
    """Peak GPU memory of the last training attempt in MiB, as logged; None on a CPU."""
    entries = read_json_lines(curve) if curve else []
    values = [entry['memory'] for entry in entries if 'memory' in entry]
    return max(values, default=None)


def _device() -> str:
    if torch.cuda.is_available():
        # On torchrun's processes, that of the commands: see `environment_alone`.
        return torch.cuda.get_device_name(int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count())
    info = Path('/proc/cpuinfo')
    names = [line.partition(':')[2].strip() for line in info.read_text().splitlines()
             if line.startswith('model name')] if info.is_file() else []
    return f'cpu ({names[0] if names else "unknown"}, {os.cpu_count()} cores)'


def _relative(job: 'Job', path: Path) -> str:
    return os.path.relpath(path, job.file.parent)


def _within_configs(path: Path) -> str:
    """'capeformer/capeformer_r50_mp100.py' of a config in a folder of its method."""
    return '/'.join(path.parts[-2:])
