"""Configs: the shipped ones are whole, and a typo anywhere is named with what is valid."""

import importlib.util
from pathlib import Path

import pytest

from capekit.engine.config import load_config
from capekit.errors import CapekitError

REPO = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (REPO / 'configs').glob('*/*.py') if path.parent.name != '_base_')
CAPEFORMER = REPO / 'configs/capeformer/capeformer_r50_mp100-split1_1shot.py'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_short(path):
    config = load_config(path)
    for key in ('model', 'train_dataloader', 'test_dataloader', 'test_cfg', 'test_evaluator', 'optim_wrapper'):
        assert key in config
    assert len(path.read_text().splitlines()) <= 60
    shots = {config[f'{stage}_dataloader'].sampler.shots for stage in ('train', 'val', 'test')
             if config.get(f'{stage}_dataloader')}
    assert len(shots) == 1 and path.stem.endswith(f'_{shots.pop()}shot')


@pytest.mark.parametrize(('split', 'shots'), [(n, s) for n in range(1, 6) for s in (1, 5)])
def test_split_and_shots_are_those_of_the_name(split, shots):
    config = load_config(CAPEFORMER.with_name(f'capeformer_r50_mp100-split{split}_{shots}shot.py'))
    for stage in ('train', 'val', 'test'):
        loader = config[f'{stage}_dataloader']
        assert loader.dataset.ann_file == f'annotations/mp100_split{split}_{stage}.json'
        assert loader.sampler.shots == shots
    sampler = config.test_dataloader.sampler
    assert (sampler.queries, sampler.episodes, sampler.seed) == (15, 200, 1)


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('model.head.decoder_layer', 2, "model.head: unknown option 'decoder_layer' for CapeFormerHead; did you mean "
                                    "'decoder_layers'"),
    ('model.head.type', 'CapeFormer', "'CapeFormer' is not a known model; did you mean CapeFormerHead"),
    ('model.backbone.type', 'mmpretrain.ResNet', "is the package of 'mmpretrain' installed"),
    ('modle', 1, "config: unknown option 'modle' for config; did you mean 'model'"),
    ('train_dataloader.batchsize', 2, "unknown option 'batchsize' for a data loader; did you mean 'batch_size'"),
    ('train_dataloader.sampler.shot', 2, "did you mean 'shots'"),
    ('train_dataloader.dataset.ann', 'x', "did you mean 'ann_file'"),
    ('optim_wrapper.optimizer.learning_rate', 1, "unknown option 'learning_rate' for Adam"),
    ('optim_wrapper.paramwise', {}, "did you mean 'paramwise_cfg'"),
    ('optim_wrapper.paramwise_cfg', dict(custom_key=dict(backbone=dict(lr_mult=0.1))), "did you mean 'custom_keys'"),
    ('param_scheduler.1.milestone', [1], "did you mean 'milestones'"),
    ('train_cfg.max_epoch', 1, "did you mean 'max_epochs'"),
    ('test_evaluator.threshold', [1], "did you mean 'thresholds'"),
    ('default_hooks.logger.intervall', 1, "did you mean 'interval'"),
    ('custom_hooks.0.seed', 1, "unknown option 'seed' for EpochSeedHook"),
])
def test_a_typo_is_named(key, value, message):
    with pytest.raises(CapekitError) as error:
        load_config(CAPEFORMER, {key: value})
    assert message in str(error.value) and '\n' not in str(error.value)


def test_rates_of_parts_of_a_model_may_differ():
    load_config(CAPEFORMER, {'optim_wrapper.paramwise_cfg': dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))})


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(CapekitError, match='no such file'):
        load_config(tmp_path / 'none.py')
    broken = tmp_path / 'broken.py'
    broken.write_text('model = dict(\n')
    with pytest.raises(CapekitError, match='broken.py: SyntaxError'):
        load_config(broken)
    orphan = tmp_path / 'orphan.py'
    orphan.write_text("_base_ = 'none.py'\n")
    with pytest.raises(CapekitError, match='none.py'):
        load_config(orphan)


def test_modules_of_other_packages_are_reached_by_prefix(tmp_path):
    path = tmp_path / 'prefix.py'
    path.write_text("train_dataloader = dict(dataset=dict(type='mmengine.ConcatDataset', datasets=[]))\n")
    load_config(path)


def test_a_package_that_lacks_its_own_needs_is_named():
    pytest.importorskip('mmpose')
    if importlib.util.find_spec('mmdet'):
        pytest.skip('mmpose.models can be imported here')
    with pytest.raises(CapekitError, match="'mmpose.ResNet' cannot be had: No module named 'mmdet'"):
        load_config(CAPEFORMER, {'model.backbone': dict(_delete_=True, type='mmpose.ResNet', depth=50)})
