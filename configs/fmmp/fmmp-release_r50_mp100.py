_base_ = [
    '../_base_/models/fmmp-release_r50.py', '../_base_/datasets/mp100.py',
    '../_base_/schedules/fmmp-release_200e.py', '../_base_/default_runtime.py'
]
