# Small enough for two CPU cores: stride 16, which gives 48 x 48 heat maps for 96-pixel crops; narrow deconvolutions.
_base_ = [
    '../_base_/models/finetune_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(decoder_channels=64,
             backbone=dict(name='resnet18.tv_in1k', strides=(16,), weights=None))
