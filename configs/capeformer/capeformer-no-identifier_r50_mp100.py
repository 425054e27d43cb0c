# Table 3, No. 4, and table 5: no identifier.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(identifier='none'))
