"""Values that do nothing or harm are refused by their dotted key when the config is read."""

import math
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook

from capekit.engine.config import load_config
from capekit.engine.runner import build_runner
from capekit.engine.values import refuse_unused_keys
from capekit.errors import CapekitError
from capekit.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CAPEFORMER = CONFIGS / 'capeformer/capeformer_r50_mp100.py'
BASES = dict(
    capeformer=CAPEFORMER, pomnet=CONFIGS / 'pomnet/pomnet_r50_mp100.py', fmmp=CONFIGS / 'fmmp/fmmp_r50_mp100.py',
    sdpnet=CONFIGS / 'sdpnet/sdpnet_hrnet32_mp100.py', protonet=CONFIGS / 'protonet/protonet_r50_mp100.py',
    maml=CONFIGS / 'maml/maml_r50_mp100.py', finetune=CONFIGS / 'finetune/finetune_r50_mp100.py')
NAN, INF = math.nan, math.inf

HEADS = dict(
    capeformer=dict(channels=(0, -4, 250, 256.0, '256', True), num_heads=(0, 7, None), hidden_channels=(0,),
                    dropout=(-0.1, 1, NAN, '0.1'), num_slots=(0, 1.5), encoder_layers=(-1, '3', None, 1.0),
                    decoder_layers=(-1, True), heatmap_weight=(-1, NAN, INF), proposal_weight=(-1,),
                    layer_weight=(None,), identifier=('sine',), heatmap_size=(0, -64), sigma=(0, -2, NAN, [2.0])),
    pomnet=dict(channels=(10,), num_heads=(3,), encoder_layers=(-1,), interaction_layers=(-1,),
                self_attention=('no', 1), decoder_channels=(0,), max_pairs=(0,), num_slots=(0,), sigma=(0,)),
    fmmp=dict(num_points=(0,), num_layers=(0,), num_references=(1,), alpha=(0, NAN), mix_weight=(-0.5,),
              matching_weight=(-1,), num_slots=(0,), train_padding=('ones',)),
    sdpnet=dict(interaction_layers=(-1,), kernel_size=(0, 6, 7.0), stages=(0,), graph_layers=(0, -1),
                shot_order=('yes',), sampling_points=(0,), mask_ratio=(-0.1, 1.0), stage_weight=(-1,),
                sparsity_weight=(NAN,)),
    protonet=dict(scale=(0, -1), heatmap_size=(0,), sigma=(0,)))


@pytest.mark.parametrize(('method', 'option', 'value'), [
    (method, option, value) for method, options in HEADS.items() for option, values in options.items()
    for value in values])
def test_an_option_of_a_head(method, option, value):
    _refused(BASES[method], f'model.head.{option}', value)


@pytest.mark.parametrize(('method', 'option', 'value'), [
    ('maml', 'model.steps', 0), ('maml', 'model.rate', 0), ('maml', 'model.max_norm', -1), ('maml', 'model.sigma', 0),
    ('maml', 'model.test_steps', -1), ('maml', 'model.max_keypoints', 0), ('finetune', 'model.steps', -1),
    ('finetune', 'model.rate', NAN), ('finetune', 'model.decoder_channels', 0), ('maml', 'model.first_order', 'no')])
def test_an_option_of_a_method_that_adapts(method, option, value):
    _refused(BASES[method], option, value)


@pytest.mark.parametrize(('key', 'value'), [
    ('model.backbone.strides', 8), ('model.backbone.strides', '8'), ('model.backbone.strides', [0]),
    ('model.backbone.name', 50), ('model.backbone.weights', 3), ('model.image_size', 0), ('model.backbone', 3),
    ('model.data_preprocessor', dict(type='CapePreprocessor', std=[1, 1, 0])),
    ('model.data_preprocessor', dict(type='CapePreprocessor', mean=[1, 1])),
    ('image_size', 0), ('image_size', '256'), ('train_dataloader.dataset.image_size', 0),
    ('train_dataloader.dataset.augment.scale', -1), ('train_dataloader.dataset.augment.scale', 3),
    ('train_dataloader.dataset.augment.rotation', NAN), ('train_dataloader.dataset.augment.rotation', 'nan'),
    ('train_dataloader.dataset.augment.rotation_prob', 2), ('train_dataloader.dataset.augment', 3),
    ('train_dataloader.dataset.augment', [dict(type='ColorJitter', hue=0.6)]),
    ('train_dataloader.dataset.augment', [dict(type='RandomErasing', area=[0.3, 0.1])]),
    ('train_dataloader.dataset.augment', [dict(type='RandomErasing', area=0.1)]),
    ('train_dataloader.dataset.missing_images', 'ignore'),
    ('train_dataloader.sampler.shots', 0), ('train_dataloader.sampler.episodes_per_category', 0),
    ('train_dataloader.sampler.seed', -1), ('test_dataloader.sampler.queries', 0),
    ('test_dataloader.sampler.episodes', -1), ('val_dataloader.sampler.seed', 'a'),
    ('train_dataloader.batch_size', 0), ('train_dataloader.batch_size', 16.0), ('test_dataloader.batch_size', 0),
    ('train_dataloader.num_workers', -1), ('val_dataloader.num_workers', '8'),
    ('train_dataloader.num_batch_per_epoch', 0), ('train_dataloader.prefetch_factor', 0),
    ('train_dataloader.persistent_workers', 'yes'), ('train_dataloader.timeout', -1),
    ('train_cfg.max_epochs', 0), ('train_cfg.max_epochs', -3), ('train_cfg.max_epochs', 2.5),
    ('train_cfg.val_interval', 0), ('train_cfg.val_begin', -1), ('test_cfg.max_images', 0), ('val_cfg.amp', 'yes'),
    ('test_evaluator.thresholds', [0.2, 0.1]), ('test_evaluator.thresholds', [0.1, 0.1]),
    ('test_evaluator.thresholds', [NAN]), ('test_evaluator.thresholds', []), ('test_evaluator.thresholds', 0.2),
    ('val_evaluator.thresholds', [0, 0.1]), ('test_evaluator.resamples', -1), ('test_evaluator.resamples', 1.5),
    ('optim_wrapper.optimizer.lr', None), ('optim_wrapper.optimizer.lr', 0), ('optim_wrapper.optimizer.lr', -1e-3),
    ('optim_wrapper.optimizer.lr', NAN), ('optim_wrapper.optimizer.lr', INF), ('optim_wrapper.optimizer.lr', '1e-3'),
    ('optim_wrapper.optimizer.weight_decay', -1), ('optim_wrapper.optimizer.betas', [0.9, 1.0]),
    ('optim_wrapper.optimizer.betas', 0.9), ('optim_wrapper.optimizer.eps', NAN),
    ('optim_wrapper.optimizer', dict(_delete_=True, type='SGD', lr=0.1, momentum=1.5)),
    ('optim_wrapper.optimizer', dict(_delete_=True, type='SGD', lr=0.1, nesterov=True)),
    ('optim_wrapper.accumulative_counts', 0), ('optim_wrapper', 3),
    ('optim_wrapper.clip_grad', dict(max_nrom=1)), ('optim_wrapper.clip_grad', dict(max_norm=0)),
    ('optim_wrapper.clip_grad', dict(max_norm=NAN)), ('optim_wrapper.clip_grad', dict(max_norm=1, norm_type=0)),
    ('optim_wrapper.clip_grad', dict(type='vale', clip_value=1)), ('optim_wrapper.clip_grad', dict()),
    ('optim_wrapper.clip_grad', dict(type='value', max_norm=1)), ('optim_wrapper.clip_grad', 1.0),
    ('optim_wrapper.paramwise_cfg', dict(norm_decay_mult=0.0)),
    ('optim_wrapper.paramwise_cfg', dict(bias_lr_mult=-1)), ('optim_wrapper.paramwise_cfg', dict(custom_keys=['x'])),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(backbone=dict(lr_mul=0.1)))),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(backbone=dict(lr_mult=-0.1)))),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(backbone=dict(decay_mult=0.1)))),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(backbone=0.1))),
    ('param_scheduler.0.start_factor', 0), ('param_scheduler.0.start_factor', 2), ('param_scheduler.0.end', 0),
    ('param_scheduler.0.begin', -1), ('param_scheduler.0.begin', 2000), ('param_scheduler.0.by_epoch', 'no'),
    ('param_scheduler.1.milestones', [180, 160]), ('param_scheduler.1.milestones', []),
    ('param_scheduler.1.milestones', 160), ('param_scheduler.1.milestones', [1.5]), ('param_scheduler.1.gamma', NAN),
    ('param_scheduler.1.gamma', -0.1), ('param_scheduler', [dict(type='CosineAnnealingLR', T_max=0)]),
    ('param_scheduler', [dict(type='StepLR', step_size=0)]), ('param_scheduler', [dict(type='StepLR')]),
    ('default_hooks.logger.interval', 0), ('default_hooks.checkpoint.interval', 0),
    ('default_hooks.checkpoint.interval', 1.5), ('default_hooks.checkpoint.max_keep_ckpts', 0),
    ('default_hooks.checkpoint.rule', 'more'), ('default_hooks.checkpoint.by_epoch', 'no'),
    ('custom_hooks', [dict(type='EMAHook', momentum=2)]), ('custom_hooks', [dict(type='EMAHook', interval=0)]),
    ('custom_hooks', [dict(type='EMAHook', ema_type='ExpMomentumEMA', gamma=0)]),
    ('custom_hooks', [dict(type='PartRateHook', parts=['backbone'], factor=0)]),
    ('custom_hooks', [dict(type='PartRateHook', parts='backbone', factor=0.1)]),
    ('env_cfg.cudnn_benchmark', 'flase'), ('env_cfg.mp_cfg.mp_start_method', 'frok'),
    ('env_cfg.mp_cfg.start_method', 'fork'), ('env_cfg.mp_cfg.opencv_num_threads', -1), ('env_cfg.mp_cfg', 'fork'),
    ('env_cfg.dist_cfg.backnd', 'nccl'), ('env_cfg.dist_cfg.timeout', -1), ('env_cfg.resource_limit', 0),
    ('randomness.seed', -1), ('randomness.seed', 'a'), ('randomness.seed', 1.5), ('randomness.seed', 2 ** 32),
    ('randomness.deterministic', 'yes'), ('auto_scale_lr', dict(enable='yes')),
    ('auto_scale_lr', dict(base_batch_size=0)), ('compile', 'yes'), ('compile', dict(mode='fast')),
    ('log_processor', dict(window_size=0)), ('log_level', 'INF'), ('log_level', 3), ('train_cfg', 3),
    ('optim_wrapper', dict(_delete_=True, type='OptimWrapper')),
    ('randomness', 3), ('find_unused_parameters', 'yes'), ('train_dataloader', 3), ('val_cfg', 'x'), ('model', 'x'),
    ('test_evaluator', []), ('default_hooks', 'x'), ('custom_hooks', dict(type='EMAHook')), ('param_scheduler', [None]),
    ('param_scheduler', [dict(gamma=0.1)]), ('param_scheduler.0', None), ('train_dataloader.sampler', None),
    ('train_dataloader.dataset', 'MP100Dataset'), ('test_dataloader.sampler', dict(_delete_=True, shots=1)),
    ('train_dataloader.collate_fn', 3), ('train_dataloader.dataset.images', []),
    ('train_dataloader.dataset.ann_file', {}), ('default_hooks.logger', 'x'),
    ('train_dataloader.dataset.type', 'tests'), ('optim_wrapper.optimizer.type', None), ('train_cfg.type', 3),
    ('default_hooks.logger.type', 'json'), ('optim_wrapper.optimizer', 'Adam'),
], ids=lambda value: str(value)[:60])
def test_an_option_of_a_run(key, value):
    _refused(CAPEFORMER, key, value)


def _refused(path, key, value):
    with pytest.raises(CapekitError) as error:
        load_config(path, {key: value})
    message = str(error.value)
    assert '\n' not in message and len(message) < 700
    assert key.rpartition('.')[2].strip('01') in message, message


@pytest.mark.parametrize('key', ['model', 'train_dataloader', 'train_cfg', 'optim_wrapper'])
def test_a_section_that_is_none_is_missing(tmp_path, key):
    config = load_config(CONFIGS / 'synthetic/protonet_r18_synthetic_1shot.py', {key: None})
    with pytest.raises(CapekitError, match=f'{key} is missing'):
        build_runner(config, ['train'] if key != 'model' else [], tmp_path)


@pytest.mark.parametrize(('key', 'value'), [
    ('model.head.decoder_layers', 0), ('model.head.heatmap_weight', 0), ('model.head.dropout', 0),
    ('optim_wrapper.clip_grad', dict(max_norm=1, norm_type='inf')), ('optim_wrapper.clip_grad', dict(max_norm=1e30)),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(backbone=dict(lr_mult=0, weight_decay=1e-4)))),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys={'head.decoder.0': dict(lr_mult=2)}, bypass_duplicate=True)),
    ('optim_wrapper.optimizer', dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9, nesterov=True, foreach=True)),
    ('optim_wrapper.optimizer.fused', True), ('optim_wrapper.optimizer.betas', [0.9, 0.99]),
    ('optim_wrapper', dict(type='AmpOptimWrapper', loss_scale='dynamic')),
    ('param_scheduler', [dict(type='CosineAnnealingLR', begin=0, end=7, convert_to_iter_based=True)]),
    ('param_scheduler', [dict(type='OneCycleLR', eta_max=0.1, total_steps=100)]), ('param_scheduler', None),
    ('param_scheduler', [dict(type='ReduceOnPlateauLR', monitor='PCK@0.2', patience=3)]),
    ('train_cfg', dict(_delete_=True, type='IterBasedTrainLoop', max_iters=10, val_interval=5)),
    ('default_hooks.checkpoint.interval', -1), ('default_hooks.checkpoint.save_best', ['PCK@0.2', 'NME']),
    ('randomness.seed', None), ('env_cfg.dist_cfg', dict(backend='gloo', timeout=60)),
    ('train_dataloader.dataset.augment', [dict(type='RandomErasing', area=[0.1, 0.1])]),
    ('train_dataloader.dataset.augment', None), ('test_evaluator.thresholds', (0.05, 0.2)),
], ids=lambda value: str(value)[:60])
def test_a_sensible_value_is_taken(key, value):
    load_config(CAPEFORMER, {key: value})


def test_scaling_the_rate_needs_what_it_is_for():
    with pytest.raises(CapekitError, match='auto_scale_lr: base_batch_size, .* is missing'):
        load_config(Config(dict(auto_scale_lr=dict(enable=True))))


def test_a_key_for_no_parameter_is_refused():
    model = MODELS.build(load_config(CONFIGS / 'synthetic/protonet_r18_synthetic_1shot.py').model)
    for key in ('backbone', 'head.log_scale', 'network.layer1', 'bn1'):
        refuse_unused_keys(dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys={key: dict(lr_mult=0.1)}))), model)
    with pytest.raises(CapekitError, match="custom_keys: no parameter .* has 'bakcbone' .* did you mean 'backbone'"):
        refuse_unused_keys(dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(bakcbone={})))), model)


class Every(Hook):
    def __init__(self, interval=0):
        self.interval = interval


class Often(CheckpointHook):
    """Of one's own, with mmengine's options."""


def test_bounds_go_with_the_class_that_takes_the_option():
    load_config(CAPEFORMER, {'custom_hooks': [dict(type=Every, interval=0)]})
    with pytest.raises(CapekitError, match=r'custom_hooks\[0\].interval=0 must be'):
        load_config(CAPEFORMER, {'custom_hooks': [dict(type=Often, interval=0)]})
