# Table 3, row 4: row 3 and mixup padding, whose keypoints are not supervised.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(mix_weight=0))
