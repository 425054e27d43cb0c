_base_ = 'mp100-split1_3shot.py'
train_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split2_train.json'))
val_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split2_val.json'))
test_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split2_test.json'))
