# Two adaptation steps, which two CPU cores can meta-train; to test with more: model.test_steps. 48 x 48 heat maps.
_base_ = [
    '../_base_/models/maml_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(decoder_channels=64, steps=2, norm='image',
             heatmap_error='cross_entropy', rate=0.5, max_norm=10.0,
             backbone=dict(name='resnet18.tv_in1k', strides=(16,), weights=None))
