# The floor: nothing is trained, and no image is looked at.
_base_ = ['../_base_/datasets/synthetic.py', '../_base_/default_runtime.py']
model = dict(type='CopyingEstimator')
