# Table 4, row 2: the sampling range from the support only.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(spread='support'))
