# Table 1, row 1: shots are averaged.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(aggregation='average'))
