# Table 3, ID 5: a learned modulation of each slot.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(modulation='fixed'))
