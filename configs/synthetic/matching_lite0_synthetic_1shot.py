# Nothing to train. Stride 8 too: the crops are small.
_base_ = ['../_base_/models/matching_lite0.py', '../_base_/datasets/synthetic.py', '../_base_/default_runtime.py']
model = dict(backbone=dict(strides=(8, 16)))
