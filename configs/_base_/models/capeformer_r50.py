model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmBackbone', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'),
    head=dict(type='CapeFormerHead'))
