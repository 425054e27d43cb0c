# Table 5: learned identifiers.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(identifier='learned'))
