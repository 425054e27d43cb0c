_base_ = 'mp100-cross_1shot.py'
train_dataloader = dict(dataset=dict(categories='cross/furniture/train'))
test_dataloader = dict(sampler=dict(episodes=100), dataset=dict(categories='cross/furniture/test'))
