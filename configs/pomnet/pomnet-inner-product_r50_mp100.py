# Table 3, row 2: the Matching Head replaced by the inner product.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(matching='inner_product'))
