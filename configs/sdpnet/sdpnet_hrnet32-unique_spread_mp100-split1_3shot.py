# Table 4, row 3: a factor for each offset.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(shared_spread=False))
