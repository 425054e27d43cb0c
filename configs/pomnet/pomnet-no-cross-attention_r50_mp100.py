# Table 3, row 4.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(cross_attention=False))
