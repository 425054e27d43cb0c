# Table 3, row 3: row 2 and references from the links.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(train_padding='zero', test_padding='zero', mix_weight=0))
