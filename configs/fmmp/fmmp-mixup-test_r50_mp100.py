# Table 4, MixupTest: the full model, tested with mixup padding; give its checkpoint to tools/test.py.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(test_padding='mixup'))
