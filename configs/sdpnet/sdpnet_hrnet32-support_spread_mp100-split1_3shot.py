# Table 4, row 2: the sampling range from the support alone.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(spread='support'))
