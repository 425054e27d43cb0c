# Small enough for two CPU cores: stride 16, which gives 48 x 48 heat maps for 96-pixel crops; narrow deconvolutions.
_base_ = [
    '../_base_/models/pomnet_r50.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
_backbone = dict(name='resnet18.tv_in1k', strides=(16,), weights=None)
model = dict(
    backbone=_backbone, support_backbone=_backbone,
    head=dict(channels=128, hidden_channels=256, encoder_layers=1, interaction_layers=2,
              decoder_channels=32))
del _backbone
