_base_ = ['../_base_/models/edgecape_dinov2-s.py', '../_base_/datasets/mp100.py', '../_base_/default_runtime.py']
image_size = 224
# Released: five thresholds; three stages of 100 epochs each, Adam 1e-5, a warm-up in each; the rate never drops.
_thresholds = (0.05, 0.1, 0.15, 0.2, 0.25)
val_evaluator = dict(thresholds=_thresholds)
test_evaluator = dict(thresholds=_thresholds)
del _thresholds
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-5))
auto_scale_lr = dict(base_batch_size=16)  # used by train.py --auto-scale-lr
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300, val_interval=10)
custom_hooks = [dict(type='TrainingStagesHook', stages=dict(base=100, skeleton=100, bias=100), warmup=1000)]
