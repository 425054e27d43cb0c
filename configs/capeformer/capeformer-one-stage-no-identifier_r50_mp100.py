# Table 3, No. 2: no identifier, the proposals are the answer.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(identifier='none', decoder_layers=0))
