# Table 4, S3Q3: three support layers, then three query layers.
_base_ = 'fmmp_r50_mp100.py'
model = dict(head=dict(mining='support_first'))
