# The row that FMMP's paper prints; the released code cannot run it.
_base_ = 'graphcape_swinv2-t_mp100.py'
model = dict(backbone=dict(name='resnet50.tv_in1k', last_norm=False, drop_path=None))
