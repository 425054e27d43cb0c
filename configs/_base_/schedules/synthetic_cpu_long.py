# About twenty minutes on two CPU cores, for methods that need many iterations to leave the crop's centre.
_base_ = 'synthetic_cpu.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=22, eta_min=1e-5, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=22, val_interval=22)
