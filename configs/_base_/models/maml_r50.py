_base_ = 'finetune_r50.py'
model = dict(type='MAMLEstimator')
