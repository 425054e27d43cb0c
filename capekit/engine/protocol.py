"""MP-100's protocol as a setting: which categories train and test, and from how many supports.

    protocol = dict(split=1, shots=1)
    protocol = dict(cross='vehicle', shots=1)    # replacing an inherited split: dict(split=None, cross='vehicle')

at the top level of a config sets what the protocol of MP-100 fixes:

- `split`, 1 to 5: the annotation files of the three stages; 200 test episodes per category.
- `cross`, a super-category: it is tested on, all others are trained on. That is a filter on category ids: over all
  fifteen files in training, where an annotation that several of them hold counts once; over the five test files in
  testing, which hold each of the 100 categories once. Nothing is left to validate on. The number of test episodes per
  category is the released one: 100 for vehicle and furniture, 200 for the others.
- `shots`: supports per episode, in all stages. For data other than MP-100 it is the only setting.

**Precedence.** The protocol fills in what the data loaders leave open: `dataset.ann_file`, `dataset.categories`,
`sampler.shots`, `sampler.episodes`. A value stated there by the config or an override takes precedence. After loading,
`protocol` holds what took effect: a split or super-category is dropped if every stage names its own annotation files,
the shots if the training sampler has its own. On the command line a setting without effect is an error.
"""

import difflib
import inspect
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from capekit.datasets.splits import CROSS_SUPERCATEGORIES
from capekit.errors import CapekitError
from capekit.registry import DATA_SAMPLERS, DATASETS

SETTINGS = ('split', 'cross', 'shots')
STAGES = ('train', 'val', 'test')
SPLIT_NUMBERS = (1, 2, 3, 4, 5)
# The released configs test on half as many episodes for these.
_HALF_TESTED = ('vehicle', 'furniture')


def expand_protocol(config: Config, cfg_options: dict | None = None) -> None:
    """Write what `config.protocol` says into the data loaders of a config; does nothing if it has none.

    Repeating it changes nothing. Settings that `cfg_options` made must have an effect.

    Raises:
        CapekitError: an unknown setting or value, both a split and a super-category, or one of `cfg_options` where the
            config states annotation files or shots itself.
    """
    if config.get('protocol') is None:
        return
    protocol = _checked(config.protocol, f'config {config.filename}: protocol')
    datasets, samplers = _parts(config, 'dataset'), _parts(config, 'sampler')
    held = {}
    if 'shots' in protocol:
        values = dict(shots=protocol['shots'])
        filled = [_fill(sampler, values, DATA_SAMPLERS) for sampler in samplers.values()]
        held.update(values if filled[:1] == [True] else {})  # from training: a test may have its own shots
    stages = _annotations(protocol)
    if stages and _is_mp100(datasets, stages):
        held.update((name, protocol[name]) for name in ('split', 'cross') if name in protocol)
        if 'cross' in protocol and 'ann_file' not in datasets.get('val', {}):
            _leave_out_validation(config)
        for stage in stages.keys() & datasets.keys():
            _fill(datasets[stage], stages[stage], DATASETS)
        if 'test' in samplers:
            episodes = 100 if protocol.get('cross') in _HALF_TESTED else 200
            _fill(samplers['test'], dict(episodes=episodes), DATA_SAMPLERS)
    for key, value in (cfg_options or {}).items():
        name = key.removeprefix('protocol.')
        if key != name and value is not None and name not in held:
            what = 'train_dataloader.sampler.shots' if name == 'shots' else 'dataset.ann_file of its data loaders'
            raise CapekitError(f'{key}={value}: config {config.filename} does not leave {what} to the protocol; '
                               'change it there or by --cfg-options')
    config.protocol = held


def run_name(config: Config, path: str) -> str:
    """Name of the work directory for a loaded config: the config's name and what the protocol sets.

    'capeformer_r50_mp100_split1_1shot'; without a split or super-category, as in configs/synthetic, the shots are
    appended only if there is more than one.
    """
    protocol = config.get('protocol') or {}
    parts = [f'split{protocol["split"]}'] if 'split' in protocol else []
    parts += [f'cross-{protocol["cross"]}'] if 'cross' in protocol else []
    shots = protocol.get('shots', 1)
    parts += [f'{shots}shot'] if parts or shots > 1 else []
    return '_'.join([Path(path).stem, *parts])


def renamed(path: str | Path) -> str:
    """What to add to 'no such file' if `path` is the former name of a config, with split and shots in it."""
    old = re.fullmatch(r'(?P<method>[a-z]+)(?P<variant>-[\w-]+?)?_(?P<backbone>[a-z]+\d+)(?P<late>-\w+)?_mp100-'
                       r'(split(?P<split>\d)|cross-(?P<cross>\w+)|(?P<rows>human_body-\w+))_(?P<shots>\d)shot\.py',
                       Path(path).name)
    if not old:
        return ''
    variant = (old['variant'] or '') + (old['late'] or '') + (f'-{old["rows"]}' if old['rows'] else '')
    new = Path(path).with_name(f'{old["method"]}{variant.replace("_", "-")}_{old["backbone"]}_mp100.py')
    if not new.is_file():
        return ''
    settings = [f'--{name} {old[name]}' for name in SETTINGS if old[name] and not old['rows']]
    return f'; it is now {" ".join([str(new), *settings])}'


def _checked(settings: Any, where: str) -> dict:
    """The settings that are not None."""
    if not isinstance(settings, dict):
        raise CapekitError(f"{where}={settings!r} must be such as dict(split=1, shots=1) or dict(cross='vehicle')")
    for name in settings:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.5)
            hint = f'did you mean {near[0]!r}? ' if near else ''
            raise CapekitError(f'{where}: unknown setting {name!r}; {hint}valid: {", ".join(SETTINGS)}')
    protocol = {name: value for name, value in settings.items() if value is not None}
    for name, valid in (('split', SPLIT_NUMBERS), ('cross', CROSS_SUPERCATEGORIES)):
        if name in protocol and (protocol[name] not in valid or isinstance(protocol[name], (bool, float))):
            raise CapekitError(f'{where}.{name}={protocol[name]!r} is unknown; valid: {", ".join(map(str, valid))}')
    shots = protocol.get('shots', 1)
    if not isinstance(shots, int) or isinstance(shots, bool) or shots < 1:
        raise CapekitError(f'{where}.shots={shots!r} must be a whole number, 1 or more')
    if 'split' in protocol and 'cross' in protocol:
        raise CapekitError(f'{where}: split={protocol["split"]} and cross={protocol["cross"]!r} exclude each other; '
                           'set one of them to None')
    return protocol


def _parts(config: Config, name: str) -> dict:
    """Stage -> the data set or sampler of its data loader, for the stages that have one."""
    loaders = {stage: config.get(f'{stage}_dataloader') for stage in STAGES}
    return {stage: loader[name] for stage, loader in loaders.items()
            if isinstance(loader, dict) and isinstance(loader.get(name), dict)}


def _annotations(protocol: dict) -> dict:
    """Stage -> what a split or super-category sets in its data set; empty if neither is set."""
    if 'split' in protocol:
        return {stage: dict(ann_file=_ann_file(protocol['split'], stage)) for stage in STAGES}
    if 'cross' in protocol:
        parts = dict(train=STAGES, test=['test'])
        return {stage: dict(ann_file=[_ann_file(number, part) for number in SPLIT_NUMBERS for part in parts[stage]],
                            categories=f'cross/{protocol["cross"]}/{stage}') for stage in parts}
    return {}


def _ann_file(split: int, part: str) -> str:
    return f'annotations/mp100_split{split}_{part}.json'


def _is_mp100(datasets: dict, stages: dict) -> bool:
    """Whether a stage leaves its annotation files open or already has what the protocol says."""
    return any(
        ('ann_file' not in dataset and _takes(dataset, 'ann_file', DATASETS))
        or any(dataset.get(name) == value for name, value in stages.get(stage, {}).items())
        for stage, dataset in datasets.items())


def _fill(options: dict, values: dict, parent: Registry) -> bool:
    """Set what a typed dict leaves open and its class accepts; returns whether any value is now as given."""
    for name, value in values.items():
        if name not in options and _takes(options, name, parent):
            options[name] = value
    return any(options.get(name) == value for name, value in values.items())


def _takes(options: dict, name: str, parent: Registry) -> bool:
    """Whether the class of a typed dict, or a parent that it passes options on to, has that option.

    A type that cannot be found has none: checking the config reports it.
    """
    try:
        target = options.get('type')
        target = parent.get(target) if isinstance(target, str) else target
    except ImportError:
        return False
    for level in getattr(target, '__mro__', ()):
        parameters = inspect.signature(level.__init__).parameters if '__init__' in vars(level) else {}
        if name in parameters:
            return True
        if parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def _leave_out_validation(config: Config) -> None:
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        config[key] = None
    checkpoint = (config.get('default_hooks') or {}).get('checkpoint')
    if checkpoint and 'save_best' in checkpoint:
        checkpoint.save_best = None
