_base_ = 'mp100-split1_1shot.py'
train_dataloader = dict(sampler=dict(shots=3))
val_dataloader = dict(sampler=dict(shots=3))
test_dataloader = dict(sampler=dict(shots=3))
