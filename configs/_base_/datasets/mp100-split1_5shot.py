_base_ = 'mp100-split1_1shot.py'
train_dataloader = dict(sampler=dict(shots=5))
val_dataloader = dict(sampler=dict(shots=5))
test_dataloader = dict(sampler=dict(shots=5))
