# The released configs: Adam 5e-4, 210 epochs, linear warm-up over 500 iterations, batch 16 on each of 8 GPUs.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
auto_scale_lr = dict(base_batch_size=128)  # used by train.py --auto-scale-lr
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=210, milestones=[170, 200], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=210, val_interval=10)
