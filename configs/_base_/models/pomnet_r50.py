# Two networks that share nothing: one for the supports, one for the query.
_backbone = dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(32,), weights='imagenet')
model = dict(
    type='CapeEstimator', backbone=_backbone, support_backbone=_backbone,
    head=dict(type='POMNetHead'))
del _backbone
