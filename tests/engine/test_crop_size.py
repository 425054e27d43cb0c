"""The crop size is stated once; contradictions are named before anything runs."""

import pytest
from mmengine.config import Config

from capekit.apis import init_estimator
from capekit.engine.config import load_config
from capekit.engine.crop_size import sized_model
from capekit.errors import CapekitError

SYNTHETIC = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'
STAGES = ('train', 'val', 'test')


def _sizes(config):
    return [config[f'{stage}_dataloader'].dataset.image_size for stage in STAGES]


def test_the_top_level_size_reaches_data_sets_and_model(repo):
    config = load_config(repo / SYNTHETIC)
    assert _sizes(config) == [96] * 3 and 'image_size' not in config
    assert sized_model(config, STAGES).image_size == 96
    assert init_estimator(config).image_size == 96


def test_an_override_replaces_it_also_in_a_config_that_is_loaded(repo):
    assert _sizes(load_config(repo / SYNTHETIC, {'image_size': 128})) == [128] * 3
    config = load_config(load_config(repo / SYNTHETIC), {'image_size': 64})
    assert _sizes(config) == [64] * 3
    assert init_estimator(config, cfg_options={'image_size': 48}).image_size == 48


def test_the_file_that_a_run_writes_says_the_same(repo, tmp_path):
    load_config(repo / SYNTHETIC, {'image_size': 128}).dump(tmp_path / 'run.py')
    assert _sizes(load_config(tmp_path / 'run.py')) == [128] * 3
    assert _sizes(load_config(tmp_path / 'run.py', {'image_size': 64})) == [64] * 3


def test_a_data_set_of_its_own_size_wins_and_must_agree_with_what_runs_beside_it(repo):
    config = load_config(repo / SYNTHETIC, {'train_dataloader.dataset.image_size': 256})
    assert _sizes(config) == [256, 96, 96]
    assert sized_model(config, ['train']).image_size == 256
    assert init_estimator(config).image_size == 96  # it answers test data
    with pytest.raises(CapekitError) as error:
        sized_model(config, ['train', 'val'])
    assert 'train_dataloader.dataset.image_size=256, val_dataloader.dataset.image_size=96' in str(error.value)
    with pytest.raises(CapekitError, match='model.image_size=64'):
        init_estimator(config, cfg_options={'model.image_size': 64})


def test_an_override_without_effect_is_refused(repo):
    options = {f'{stage}_dataloader.dataset.image_size': 64 for stage in STAGES}
    with pytest.raises(CapekitError, match='image_size=32 has no effect, .* train_dataloader.dataset.image_size=32'):
        load_config(repo / SYNTHETIC, {**options, 'image_size': 32})


@pytest.mark.parametrize('size', ['96', 0, 96.5, True])
def test_a_size_is_a_number_of_pixels(repo, size):
    with pytest.raises(CapekitError, match='give the side of the crops in pixels'):
        load_config(repo / SYNTHETIC, {'image_size': size})


def test_wrapped_data_sets_are_found_and_the_class_default_counts():
    part = dict(type='MP100Dataset', ann_file='a.json')
    config = Config(dict(
        model=dict(type='CapeEstimator', backbone=dict(type='TimmPyramid'), head=dict(type='CapeFormerHead')),
        train_dataloader=dict(dataset=dict(type='mmengine.ConcatDataset', datasets=[part, part])),
        val_dataloader=dict(dataset=dict(part))))
    assert sized_model(load_config(config), ['train']).image_size == 256
    config = load_config(config, {'image_size': 64, 'train_dataloader.dataset.datasets.1.image_size': 32})
    assert [d.image_size for d in config.train_dataloader.dataset.datasets] == [64, 32]
    with pytest.raises(CapekitError, match=r'datasets.0.image_size=64, train_dataloader.dataset.datasets.1.image_size'):
        sized_model(config, ['train'])


def test_what_the_backbone_cannot_take_is_said_when_the_model_is_built(repo):
    options = {'image_size': 96, 'model.backbone.name': 'swinv2_tiny_window8_256', 'model.backbone.strides': [32]}
    with pytest.raises(CapekitError, match='cannot take image_size=96 .*64 below, 128 above'):
        init_estimator(repo / SYNTHETIC, cfg_options=options)
