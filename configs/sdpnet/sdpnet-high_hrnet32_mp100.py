# Table 2, row 2: refinement samples the fine map as it is.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(query_features='high'))
