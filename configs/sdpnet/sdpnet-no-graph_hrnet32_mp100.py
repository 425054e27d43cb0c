# Table 3, ID 0: no graph convolution.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(structure='none'))
