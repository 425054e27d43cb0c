# Section 4.1 of the paper: Adam, 200 epochs, batch 16; the steps are the released ones.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-5))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=200, milestones=[160, 180], gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=10)
