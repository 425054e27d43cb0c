# Table 4, row 3: one factor per offset.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(shared_spread=False))
