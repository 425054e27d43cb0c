# Table 3, ID 0: no graph convolution.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(structure='none'))
