# Table 3, ID 2: the structure by concatenation regression.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(structure='concatenation'))
