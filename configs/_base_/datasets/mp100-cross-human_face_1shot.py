_base_ = 'mp100-cross_1shot.py'
train_dataloader = dict(dataset=dict(categories='cross/human_face/train'))
test_dataloader = dict(sampler=dict(episodes=200), dataset=dict(categories='cross/human_face/test'))
