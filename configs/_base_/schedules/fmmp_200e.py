# Section 4.1 of the paper: Adam, 200 epochs, batch 16 in all; steps and warm-up are the released ones.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-5))
auto_scale_lr = dict(base_batch_size=16)  # used by train.py --auto-scale-lr
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=200, milestones=[160, 180], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=10)
