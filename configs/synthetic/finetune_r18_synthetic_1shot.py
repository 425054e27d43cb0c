# Stride 16 gives 64 x 64 heat maps of 128-pixel crops.
_base_ = [
    '../_base_/models/finetune_r50.py', '../_base_/datasets/synthetic_1shot.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(decoder_channels=64,
             backbone=dict(name='resnet18.tv_in1k', strides=(16,), weights=None))
