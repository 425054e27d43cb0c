model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmPyramid', name='swinv2_tiny_window16_256.ms_in1k', strides=(32,), weights='imagenet',
                  last_norm=True, drop_path=0.2),
    head=dict(type='GraphCapeHead'))
