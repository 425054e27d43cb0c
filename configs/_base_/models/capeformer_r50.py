model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'),
    head=dict(type='CapeFormerHead'))
