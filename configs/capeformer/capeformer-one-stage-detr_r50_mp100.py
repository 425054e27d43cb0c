# Table 3, No. 1: no identifier, pixels encoded alone, the proposals are the answer.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(identifier='none', encoder='detr', decoder_layers=0))
