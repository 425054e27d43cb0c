_base_ = [
    '../_base_/models/sdpnet_r50.py', '../_base_/datasets/synthetic_1shot.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='resnet18.tv_in1k', strides=(16,), weights=None),
    head=dict(in_channels=(256,), hidden_channels=512, interaction_layers=1, encoder_layers=2, stages=2))
