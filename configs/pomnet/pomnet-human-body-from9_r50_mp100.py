# Table 4: trained on 9 of the 99 categories, tested on human bodies. The paper does not say which ones: these are the
# first 9 in a random order, of which each set takes the beginning. All 99: --cross human_body.
_base_ = 'pomnet_r50_mp100.py'
protocol = dict(split=None, cross='human_body')
train_dataloader = dict(dataset=dict(categories=[50, 99, 54, 6, 34, 66, 63, 52, 39]))
