_base_ = [
    '../_base_/models/sdpnet_hrnet32.py', '../_base_/datasets/mp100.py',
    '../_base_/schedules/capeformer_200e.py', '../_base_/default_runtime.py'
]
