"""Configs: the shipped ones are complete, and any typo is named along with what is valid."""

import importlib.util
import re
from pathlib import Path

import pytest
from mmengine.hooks import CheckpointHook, Hook

from capekit.engine.config import load_config
from capekit.errors import CapekitError

REPO = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (REPO / 'configs').glob('*/*.py') if path.parent.name != '_base_')
CAPEFORMER = REPO / 'configs/capeformer/capeformer_r50_mp100.py'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_short(path):
    config = load_config(path)
    for key in ('model', 'train_dataloader', 'test_dataloader', 'test_cfg', 'test_evaluator'):
        assert key in config
    assert ('optim_wrapper' in config) is not path.stem.startswith(('matching', 'copying'))  # nothing to train
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize('page', [REPO / 'README.md', *(REPO / 'configs').glob('*/README.md')],
                         ids=lambda page: page.parent.name)
def test_a_page_names_configs_that_exist_and_a_method_all_of_its_variants(page):
    text = page.read_text()
    named = set(re.findall(r'configs/[\w./-]+\.py', text))
    assert named and all((REPO / path).is_file() for path in named)
    for path in page.parent.glob('*-*_mp100.py'):
        variant = path.stem.split('_')[0].partition('-')[2]
        assert re.search(rf'`(\w+-)?{variant.removeprefix("human-body-")}`', text), f'{page}: {variant}'


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('model.head.decoder_layer', 2, "model.head: unknown option 'decoder_layer' for CapeFormerHead; did you mean "
                                    "'decoder_layers'"),
    ('model.head.type', 'CapeFormer', "'CapeFormer' is not a known model; did you mean CapeFormerHead"),
    ('model.backbone.type', 'mmpretrain.ResNet', "is the package of 'mmpretrain' installed"),
    ('modle', 1, "config: unknown option 'modle' for config; did you mean 'model'"),
    ('train_dataloader.batchsize', 2, "unknown option 'batchsize' for a data loader; did you mean 'batch_size'"),
    ('val_dataloader.drop_last', True, "unknown option 'drop_last' for EpisodeValLoop, which loads images itself"),
    ('test_dataloader.collate_fn', dict(type='collate_episodes'), "unknown option 'collate_fn' for EpisodeTestLoop"),
    ('test_dataloader.batchsize', 2, "did you mean 'batch_size'"),
    ('train_dataloader.sampler.shot', 2, "did you mean 'shots'"),
    ('train_dataloader.dataset.ann', 'x', "did you mean 'ann_file'"),
    ('optim_wrapper.optimizer.learning_rate', 1, "unknown option 'learning_rate' for Adam"),
    ('optim_wrapper.paramwise', {}, "did you mean 'paramwise_cfg'"),
    ('optim_wrapper.paramwise_cfg', dict(custom_key=dict(backbone=dict(lr_mult=0.1))), "did you mean 'custom_keys'"),
    ('param_scheduler.1.milestone', [1], "did you mean 'milestones'"),
    ('train_cfg.max_epoch', 1, "did you mean 'max_epochs'"),
    ('test_evaluator.threshold', [1], "did you mean 'thresholds'"),
    ('default_hooks.logger.intervall', 1, "did you mean 'interval'"),
    ('custom_hooks', [dict(type='EpochSeedHook', seed=1)], "unknown option 'seed' for EpochSeedHook"),
    ('custom_hooks', [dict(type='EMAHook', momentun=1)], "unknown option 'momentun' for EMAHook; did you mean 'mom"),
    ('custom_hooks', [dict(type='EMAHook', ema_type='StochasticWeightAverage', momentum=1)], "option 'momentum'"),
    ('custom_hooks', [dict(type='EMAHook', ema_type='EMA')], "EMAHook.ema_type: 'EMA' is not a known model"),
    ('default_hooks.checkpoint.save_bst', 1, "did you mean 'save_best'"),
    ('default_hooks.logger.priority', 'SOON',
     "default_hooks.logger.priority='SOON' is not a priority; valid: 0 to 100, HIGHEST"),
    ('model_wrapper_cfg', dict(find_unused=True), "'find_unused' for MMDistributedDataParallel; did you mean"),
    ('train_dataloader.num_batches_per_epoch', 1, "did you mean 'num_batch_per_epoch'"),
    ('train_dataloader.dataset.augment.rotatoin', 1, "option 'rotatoin' for ScaleRotation; did you mean 'rotation'"),
    ('train_dataloader.dataset.augment', [dict(type='ColorJitter', hues=1)], "augment[0]: unknown option 'hues'"),
    ('auto_scale_lr', dict(enabled=True), "did you mean 'enable'"),
    ('compile', dict(modes='default'), "did you mean 'mode'"),
    ('env_cfg.cudnn_bench', True, "did you mean 'cudnn_benchmark'"),
    ('randomness.sed', 1, "did you mean 'seed'"),
    ('log_processor', dict(window=1), "did you mean 'window_size'"),
    ('custom_imports', dict(import_=['x']), "did you mean 'imports'"),
])
def test_a_typo_is_named(key, value, message):
    with pytest.raises(CapekitError) as error:
        load_config(CAPEFORMER, {key: value})
    assert message in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('options', [
    {'find_unused_parameters': True}, {'sync_bn': 'torch'}, {'activation_checkpointing': ['backbone']},
    {'compile': dict(backend='eager')}, {'experiment_name': 'first'},
    {'auto_scale_lr': dict(enable=True, base_batch_size=16)},
    {'model_wrapper_cfg': dict(find_unused_parameters=True, broadcast_buffers=False)},
    {'train_dataloader.num_batch_per_epoch': 2, 'train_dataloader.prefetch_factor': 4},
    {'custom_hooks': [dict(type='EMAHook', momentum=0.01, update_buffers=True, priority='ABOVE_NORMAL')]},
    {'custom_hooks': [dict(type='EMAHook', ema_type='MomentumAnnealingEMA', gamma=100)]},
    {'custom_hooks': [dict(type='ProfilerHook', on_trace_ready=dict(type='tb_trace'), schedule=dict(wait=1))]},
    {'default_hooks.checkpoint.save_param_scheduler': False, 'default_hooks.logger.priority': 30},
    {'optim_wrapper.clip_grad': dict(type='value', clip_value=1.0)}, {'optim_wrapper.accumulative_counts': 2},
    {'visualizer': dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend', name='here')])},
    {'optim_wrapper.constructor': 'LayerDecay', 'optim_wrapper.paramwise_cfg': dict(decay_rate=0.9)},
    {'log_processor': dict(window_size=3)}, {'randomness': dict(seed=3, diff_rank_seed=True)},
    {'env_cfg.resource_limit': 1024},
])
def test_options_of_mmengine_are_taken(options):
    load_config(CAPEFORMER, options)


MISSPELT = [
    'modle', 'models', 'train_dataloders', 'train_dataloder', 'train_data_loader', 'optim_wraper', 'optimizer_wrapper',
    'param_schedulers', 'custom_hook', 'custom_import', 'default_hook', 'randomnes', 'load_form', 'resum', 'tset_cfg',
    'val_cgf', 'train_config', 'env_config', 'visualiser', 'work_dirs', 'log_leve', 'find_unsued_parameters', 'compiel']


@pytest.mark.parametrize('name', MISSPELT)
def test_a_misspelt_name_is_refused_with_the_way_out(name):
    with pytest.raises(CapekitError, match=f"unknown option '{name}' .*did you mean .*underscore: '_{name}'"):
        load_config(CAPEFORMER, {name: 1})
    load_config(CAPEFORMER, {f'_{name}': 1})


OWN = ['max_epochs', 'num_classes', 'dataset_type', 'data_root', 'backbone_norm_cfg', 'train_pipeline', 'batch_size',
       'lr', 'work_dir_root', 'norm_cfg', 'val_pipeline', 'train_dataset', 'base_lr', 'max_iters', 'codec',
       'input_size', 'backend_args', 'optimizer', 'model_cfg', 'evaluator', 'dataloader', 'scheduler', 'seed']


@pytest.mark.parametrize('name', OWN)
def test_variables_of_ones_own_are_taken(name):
    config = load_config(CAPEFORMER, {name: dict(type='Anything', model=dict(type='Else'))})
    assert config[name].type == 'Anything'


def test_a_preprocessor_at_the_top_is_the_models():
    config = load_config(CAPEFORMER, {'data_preprocessor': dict(type='CapePreprocessor')})
    assert config.model.data_preprocessor.type == 'CapePreprocessor'
    with pytest.raises(CapekitError, match="unknown option 'men' for CapePreprocessor"):
        load_config(CAPEFORMER, {'data_preprocessor': dict(type='CapePreprocessor', men=1)})


def test_a_variable_of_ones_own_makes_a_setting(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(f'_base_ = {str(CAPEFORMER)!r}\nmax_epochs = 3\ntrain_cfg = dict(max_epochs=max_epochs)\n')
    assert load_config(path).train_cfg.max_epochs == 3


HOOK = """
from mmengine.hooks import Hook
from capekit.registry import HOOKS

@HOOKS.register_module()
class {name}(Hook):
    def __init__(self, word):
        self.word = word
"""


def test_custom_imports_are_done_before_names_are_checked(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'greeting_hooks.py').write_text(HOOK.format(name='GreetingHook'))
    path = tmp_path / 'config.py'
    path.write_text(f"""
_base_ = {str(CAPEFORMER)!r}
custom_imports = dict(imports=['greeting_hooks'], allow_failed_imports=False)
custom_hooks = [dict(type='GreetingHook', word='hello', priority='LOW')]
""")
    load_config(load_config(path))
    with pytest.raises(CapekitError, match="unknown option 'wodr' for GreetingHook; did you mean 'word'"):
        load_config(path, {'custom_hooks': [dict(type='GreetingHook', wodr='hello')]})


@pytest.mark.parametrize(('source', 'imports', 'message'), [
    (None, ['no_such_module'], "Failed to import no_such_module (ModuleNotFoundError: No module named"),
    ('import nothing_like_it', ['lacking_module'], 'nothing_like_it'), ('x = (', ['lacking_module'], 'SyntaxError'),
    ('1 / 0', ['lacking_module'], 'ZeroDivisionError'), (None, ('os',), 'must be a list'),
])
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, source, imports, message):
    monkeypatch.syspath_prepend(tmp_path)
    if source:
        (tmp_path / 'lacking_module.py').write_text(source)
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(CAPEFORMER)!r}\ncustom_imports = dict(imports={imports!r})\n')
    with pytest.raises(CapekitError) as error:
        load_config(path)
    assert message in str(error.value) and str(path) in str(error.value) and '\n' not in str(error.value)


def test_failed_imports_may_be_allowed(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("custom_imports = dict(imports=['no_such_module'], allow_failed_imports=True)\n")
    with pytest.warns(UserWarning, match='no_such_module failed to import'):
        load_config(path)
    path.write_text("custom_imports = ['no_such_module']\n")
    with pytest.raises(CapekitError, match='custom_imports: must be dict'):
        load_config(path)


class Sink(Hook):
    def __init__(self, first, **options):
        self.options = options


class Handed(CheckpointHook):
    def __init__(self, first, **kwargs):
        self.second = kwargs.pop('second', 1)
        super().__init__(**kwargs)


def test_options_that_a_class_takes_by_two_stars():
    load_config(CAPEFORMER, {'custom_hooks': [dict(type=Sink, first=1, anything=2)]})
    load_config(CAPEFORMER, {'custom_hooks': [dict(type=Handed, first=1, second=2, interval=3)]})
    with pytest.raises(CapekitError, match="unknown option 'intervals' for Handed; did you mean 'interval'"):
        load_config(CAPEFORMER, {'custom_hooks': [dict(type=Handed, first=1, intervals=3)]})


def test_options_go_on_to_a_class_that_takes_any():
    class Average:
        def __init__(self, model, **kwargs):
            self.kept = kwargs
    load_config(CAPEFORMER, {'custom_hooks': [dict(type='EMAHook', ema_type=Average, whatever=1)]})


def test_rates_of_parts_of_a_model_may_differ():
    load_config(CAPEFORMER, {'optim_wrapper.paramwise_cfg': dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))})


def test_a_file_that_is_no_config_is_told_what_one_is(tmp_path, repo):
    for path in (repo / 'README.md', repo / 'LICENSE'):
        with pytest.raises(CapekitError, match=rf'config {path}: not a config; valid: \.py, \.yml, \.yaml, \.json$'):
            load_config(path)
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{repo}/README.md'\n")
    with pytest.raises(CapekitError, match=r'README.md: not a config; valid: \.py'):
        load_config(own)


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
    with pytest.raises(CapekitError, match="'mmpose.ResNet' cannot be imported: No module named 'mmdet'"):
        load_config(CAPEFORMER, {'model.backbone': dict(_delete_=True, type='mmpose.ResNet', depth=50)})


def test_a_base_that_leads_back_or_nowhere_is_named(tmp_path):
    first, second = tmp_path / 'first.py', tmp_path / 'second.py'
    first.write_text("_base_ = 'second.py'\n")
    second.write_text("_base_ = ['{{ fileDirname }}/first.py']\n")
    with pytest.raises(CapekitError, match=f'circular _base_: {first} -> {second} -> {first}$'):
        load_config(first)
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{CAPEFORMER.parent}/capeformer_r50_mp100-split2_5shot.py'\n")
    with pytest.raises(CapekitError, match=r'own.py: _base_ .* no such file; it is now .* --split 2 --shots 5'):
        load_config(own)


@pytest.mark.parametrize(('path', 'batch', 'warm_up'), [
    ('capeformer/capeformer_r50', 16, 1000), ('fmmp/fmmp_r50', 16, 1000), ('fmmp/fmmp-release_r50', 16, 1000),
    ('sdpnet/sdpnet_hrnet32', 16, 1000), ('pomnet/pomnet_r50', 128, 500), ('pomnet/pomnet-paper_r50', 128, 500),
    ('protonet/protonet_r50', 128, 500), ('maml/maml_r50', 128, 500), ('finetune/finetune_r50', 128, 500)])
def test_schedules_are_the_released_ones(path, batch, warm_up):
    config = load_config(REPO / f'configs/{path}_mp100.py')
    assert config.auto_scale_lr == dict(base_batch_size=batch) and len(config.param_scheduler) == 2
    assert config.param_scheduler[0] == dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=warm_up)


def test_overrides_that_nothing_would_read(repo, monkeypatch):
    lines = []
    monkeypatch.setattr('capekit.engine.config.print_log', lambda line, *rest: lines.append(line))
    config = repo / 'configs/synthetic/capeformer_r18_synthetic_1shot.py'
    load_config(config, {'max_epochs': 5, 'train_cfg.max_epochs': 3})
    assert [line.split(',')[0] for line in lines] == ['max_epochs']
    with pytest.raises(CapekitError, match='test_dataloader.dataset.augment does nothing'):
        load_config(config, {'test_dataloader.dataset.augment': dict(scale=0.1)})


def test_the_hooks_of_every_openmmlab_config(repo):
    hooks = dict(timer='IterTimerHook', logger='LoggerHook', param_scheduler='ParamSchedulerHook',
                 checkpoint='CheckpointHook', sampler_seed='DistSamplerSeedHook', runtime_info='RuntimeInfoHook')
    config = load_config(repo / 'configs/synthetic/capeformer_r18_synthetic_1shot.py',
                         {f'default_hooks.{name}.type': hook for name, hook in hooks.items()})
    assert config.default_hooks.param_scheduler.type == 'ParamSchedulerHook'
