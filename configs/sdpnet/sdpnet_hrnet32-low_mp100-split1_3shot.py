# Table 2, row 1: refinement samples the coarse map.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(query_features='low'))
