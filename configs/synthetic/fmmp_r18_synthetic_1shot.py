# Small enough for two CPU cores: strides 4 to 16 of a ResNet-18 that starts from random weights, narrow tokens.
_base_ = [
    '../_base_/models/fmmp_r50.py', '../_base_/datasets/synthetic_1shot.py',
    '../_base_/schedules/synthetic_cpu_long.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='resnet18.tv_in1k', strides=(4, 8, 16), weights=None),
    head=dict(in_channels=(64, 128, 256), channels=128, hidden_channels=128, num_layers=2))
