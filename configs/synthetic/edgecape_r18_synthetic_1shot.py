# Small enough for two CPU cores: stride 8 of a ResNet-18 with random initial weights, which learns, narrow tokens. All
# stages in the epochs of the other methods.
_base_ = [
    '../_base_/models/edgecape_dinov2-s.py', '../_base_/datasets/synthetic.py',
    '../_base_/schedules/synthetic_cpu.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(_delete_=True, type='TimmPyramid', name='resnet18.tv_in1k', strides=(8,)),
    head=dict(channels=128, hidden_channels=256, encoder_layers=1, decoder_layers=1, predictor_layers=1, num_slots=70,
              similarity_error='cross_entropy', heatmap_weight=0.5))
param_scheduler = []
custom_hooks = [dict(type='TrainingStagesHook', stages=dict(base=4, skeleton=2, bias=1), warmup=50, warmup_factor=0.02)]
