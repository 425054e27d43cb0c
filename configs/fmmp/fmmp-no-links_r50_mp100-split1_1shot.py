# Table 4, NoneLink: every keypoint is linked to itself only.
_base_ = 'fmmp_r50_mp100-split1_1shot.py'
model = dict(head=dict(structure='none'))
