# Table 4, AllLink: every keypoint is linked to all others.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(structure='all'))
