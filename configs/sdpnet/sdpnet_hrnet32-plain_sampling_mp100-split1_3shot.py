# Table 4, row 1: standard deformable attention.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(spread='none'))
