model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='hrnet_w32.ms_in1k', strides=(4, 32), weights='imagenet'),
    head=dict(type='SDPNetHead'))
