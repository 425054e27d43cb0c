# Like sdpnet_r18, with timm's smallest HRNet, whose map of stride 4 is sampled through the dynamic convolution.
_base_ = [
    '../_base_/models/sdpnet_hrnet32.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='hrnet_w18_small.ms_in1k', strides=(4, 8), weights=None),
    head=dict(channels=128, hidden_channels=256, interaction_layers=1, encoder_layers=1, stages=2,
              similarity_error='cross_entropy', heatmap_weight=0.5))
