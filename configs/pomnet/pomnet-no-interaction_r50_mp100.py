# Table 3, row 1: the Matching Head alone. The authors' model of this row has no encoder over the query's pixels either.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(encoder_layers=0, self_attention=False, cross_attention=False))
