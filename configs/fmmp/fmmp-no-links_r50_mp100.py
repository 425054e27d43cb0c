# Table 4, NoneLink: every keypoint is linked to itself only.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(structure='none'))
