# Two adaptation steps, which two CPU cores can meta-train, and five to answer. 48 x 48 heat maps.
_base_ = [
    '../_base_/models/maml_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(decoder_channels=64, steps=2, test_steps=5, rate=0.02, norm='image',
             backbone=dict(name='resnet18.tv_in1k', strides=(16,), weights=None))
