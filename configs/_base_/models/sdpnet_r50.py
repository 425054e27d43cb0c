# Section 4.4: with ResNet-50 the parts for high resolution are dropped; supports, matching and sampling read stride 32.
model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'),
    head=dict(type='SDPNetHead', query_features='low'))
