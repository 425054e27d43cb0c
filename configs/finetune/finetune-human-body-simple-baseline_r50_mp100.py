# SBL-Res50 of POMNet's table 4, right: Simple Baselines (Xiao et al., ECCV 2018), trained and tested on human bodies
# only, with their 17 keypoints: Fine-tune's network without fine-tuning, so that supports of a test change nothing.
_base_ = '../pomnet/pomnet-human-body-oracle_r50_mp100.py'
model = dict(
    _delete_=True, type='FineTuneEstimator', max_keypoints=17, steps=0,
    backbone=dict(type='TimmPyramid', name='resnet50.tv_in1k', strides=(32,), weights='imagenet'))
