# Table 4: trained on 1 of the 99 categories, tested on human bodies. The paper does not say which one: this is the
# first in a random order, of which each set takes the beginning. All 99: --cross human_body.
_base_ = 'pomnet_r50_mp100.py'
protocol = dict(split=None, cross='human_body')
train_dataloader = dict(dataset=dict(categories=[50]))
