# Table 1, row 1: shots are averaged.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(aggregation='average'))
