_base_ = [
    '../_base_/models/protonet_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(backbone=dict(name='resnet18.tv_in1k', weights=None))
