# Small enough for two CPU cores: stride 8 of a ResNet-18 with random initial weights, narrow tokens.
_base_ = [
    '../_base_/models/graphcape_swinv2-t.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(name='resnet18.tv_in1k', strides=(8,), weights=None, last_norm=False, drop_path=None),
    head=dict(enlarge=1, channels=128, hidden_channels=256, encoder_layers=1, decoder_layers=1,
              similarity_error='cross_entropy', heatmap_weight=0.5))
