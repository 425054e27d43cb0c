# Table 2, row 1: refinement samples the coarse map.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(query_features='low'))
