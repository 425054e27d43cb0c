# Table 4, ZeroTest: the full model, tested with zero padding; give its checkpoint to tools/test.py.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(test_padding='zero'))
