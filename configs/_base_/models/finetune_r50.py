model = dict(
    type='FineTuneEstimator',
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'))
