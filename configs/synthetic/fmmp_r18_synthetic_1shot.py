# Small enough for two CPU cores: strides 8 and 16 of a ResNet-18 with random initial weights, narrow tokens.
_base_ = [
    '../_base_/models/fmmp_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu_long.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='resnet18.tv_in1k', strides=(8, 16), weights=None),
    head=dict(channels=128, hidden_channels=256, num_layers=2, dropout=0.0,
              matching_weight=3.0))
# Features first: mining that reads them while they are noise settles on the mean pose and never leaves it. The paper
# starts from ImageNet weights instead.
_mining = ['head.support_layers', 'head.query_layers', 'head.position_mlp', 'head.offset_mlps']
custom_hooks = [
    dict(type='PartRateHook', parts=_mining, end=7, factor=0.02),
    dict(type='PartRateHook', parts=['backbone'], begin=7, factor=0.1)]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1))))
del _mining
