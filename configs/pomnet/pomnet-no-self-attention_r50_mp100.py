# Table 3, row 3.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(self_attention=False))
