# Table 4, right: trained and tested on human bodies (id 72) only, on the images that split 1 trains on and split 3
# tests on. To see whether these overlap, compare the counts of tools/dataset/audit.py for each file and for both.
_base_ = 'pomnet_r50_mp100.py'
protocol = dict(split=None, cross='human_body')
train_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split1_train.json', categories=[72]))
test_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split3_test.json'))
