_base_ = [
    '../_base_/models/maml_r50.py', '../_base_/datasets/mp100-cross-furniture_1shot.py',
    '../_base_/schedules/pomnet_210e.py', '../_base_/default_runtime.py'
]
default_hooks = dict(checkpoint=dict(save_best=None))  # nothing to validate on
