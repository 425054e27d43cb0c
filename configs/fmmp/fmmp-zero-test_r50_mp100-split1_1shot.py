# Table 4, ZeroTest: the fledged model, tested with zero padding; give its checkpoint to tools/test.py.
_base_ = 'fmmp_r50_mp100-split1_1shot.py'
model = dict(head=dict(test_padding='zero'))
