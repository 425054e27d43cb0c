_base_ = [
    '../_base_/models/finetune_r50.py', '../_base_/datasets/mp100.py',
    '../_base_/schedules/pomnet_210e.py', '../_base_/default_runtime.py'
]
