# As large as CapeFormer's: stride 8 of a ResNet-18 with random initial weights, narrow tokens.
_base_ = [
    '../_base_/models/sdpnet_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='resnet18.tv_in1k', strides=(8,), weights=None),
    head=dict(channels=128, hidden_channels=256, interaction_layers=1, encoder_layers=1, stages=2,
              similarity_error='cross_entropy', heatmap_weight=0.5))
