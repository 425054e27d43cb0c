# Table 5: learned identifiers.
_base_ = 'capeformer_r50_mp100-split1_1shot.py'
model = dict(head=dict(identifier='learned'))
