_base_ = [
    '../_base_/models/graphcape_swinv2-t.py', '../_base_/datasets/mp100.py',
    '../_base_/schedules/capeformer_200e.py', '../_base_/default_runtime.py'
]
# Released: five thresholds, a validation every 25 epochs, a checkpoint every 20. Batch 16 at 1 shot, 8 at 5 shots.
_thresholds = (0.05, 0.1, 0.15, 0.2, 0.25)
val_evaluator = dict(thresholds=_thresholds)
test_evaluator = dict(thresholds=_thresholds)
del _thresholds
train_cfg = dict(val_interval=25)
default_hooks = dict(checkpoint=dict(interval=20))
