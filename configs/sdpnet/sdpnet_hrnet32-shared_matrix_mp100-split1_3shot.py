# Table 3, ID 4: one feature transformation for all keypoints.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(modulation='shared'))
