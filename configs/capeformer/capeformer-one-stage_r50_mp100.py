# Table 3, No. 3: the proposals are the answer.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(decoder_layers=0))
