# Table 3, row 1: the Matching Head alone.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(self_attention=False, cross_attention=False))
