# The release starts from SimMIM's weights, swinv2_small_1k_500k: model.backbone.weights=FILE. Those here are others.
_base_ = 'graphcape_swinv2-t_mp100.py'
model = dict(backbone=dict(name='swinv2_small_window16_256.ms_in1k', drop_path=0.3))
train_dataloader = dict(batch_size=8)
auto_scale_lr = dict(base_batch_size=8)
