# Table 3, ID 1: structure by global regression.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(structure='global'))
