model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(8, 16, 32), weights='imagenet'),
    head=dict(
        type='FMMPHead', num_slots=70, num_layers=3, num_references=8, alpha=1.0,
        mix_weight=0.5))
