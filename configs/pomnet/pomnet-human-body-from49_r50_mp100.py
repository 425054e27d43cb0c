# Table 4: trained on 49 of the 99 categories, tested on human bodies. The paper does not say which ones: these are the
# first 49 in a random order, of which each set takes the beginning. All 99: --cross human_body.
_base_ = 'pomnet_r50_mp100.py'
protocol = dict(split=None, cross='human_body')
train_dataloader = dict(dataset=dict(categories=[
    50, 99, 54, 6, 34, 66, 63, 52, 39, 62, 46, 76, 28, 65, 18, 37, 86, 13, 81, 33, 69, 79, 19, 40, 83, 10, 43,
    61, 89, 90, 56, 41, 27, 91, 57, 96, 4, 93, 59, 36, 73, 1, 97, 47, 98, 26, 70, 51, 74]))
