_base_ = 'mp100-split1_3shot.py'
train_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split5_train.json'))
val_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split5_val.json'))
test_dataloader = dict(dataset=dict(ann_file='annotations/mp100_split5_test.json'))
