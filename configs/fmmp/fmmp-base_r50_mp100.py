# Table 3, row 1: support features pooled under heat maps, conventional references, zero padding.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(mining='query_only', structure='none', train_padding='zero', test_padding='zero', mix_weight=0))
