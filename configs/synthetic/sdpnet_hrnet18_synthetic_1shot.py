# timm's smallest HRNet; the coarse map is of stride 16, as small crops ask for.
_base_ = [
    '../_base_/models/sdpnet_hrnet32.py', '../_base_/datasets/synthetic_1shot.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='hrnet_w18_small.ms_in1k', strides=(4, 16), weights=None),
    head=dict(in_channels=(16, 64), hidden_channels=512, interaction_layers=1, encoder_layers=2, stages=2))
