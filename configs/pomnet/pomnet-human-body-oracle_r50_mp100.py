# Table 4, right: trained and tested on human bodies (id 72) only. Split 3 tests on images that split 1 trains on: they
# are left out of training.
_base_ = 'pomnet_r50_mp100.py'
protocol = dict(split=None, cross='human_body')
train_dataloader = dict(dataset=dict(
    ann_file='annotations/mp100_split1_train.json', exclude='annotations/mp100_split3_test.json', categories=[72]))
test_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split3_test.json'))
