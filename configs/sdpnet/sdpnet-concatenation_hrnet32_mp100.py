# Table 3, ID 2: structure by concatenation regression.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(structure='concatenation'))
