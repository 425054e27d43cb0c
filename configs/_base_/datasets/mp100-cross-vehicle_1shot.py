# The number of test episodes is the released one: 100 for vehicle and furniture, 200 for the others.
_base_ = 'mp100-cross_1shot.py'
train_dataloader = dict(dataset=dict(categories='cross/vehicle/train'))
test_dataloader = dict(sampler=dict(episodes=100), dataset=dict(categories='cross/vehicle/test'))
