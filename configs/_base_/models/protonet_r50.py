# Stage 3: the paper's choice among the four, for its receptive field and resolution.
model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(16,), weights='imagenet'),
    head=dict(type='ProtoNetHead'))
