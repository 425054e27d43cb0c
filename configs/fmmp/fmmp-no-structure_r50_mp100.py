# Table 3, row 2: row 1 and recurrent support mining.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(structure='none', train_padding='zero', test_padding='zero', mix_weight=0))
