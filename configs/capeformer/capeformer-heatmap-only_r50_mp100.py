# Table 4, first row: no loss on the expectation of the similarity map.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(proposal_weight=0))
