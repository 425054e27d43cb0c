model = dict(
    type='FineTuneEstimator', in_channels=2048,
    backbone=dict(type='TimmBackbone', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'))
