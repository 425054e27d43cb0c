# What the published checkpoints compute, where it differs from the paper.
_base_ = 'fmmp_r50.py'
model = dict(head=dict(variant='release', pooling='point', reduction='release'))
