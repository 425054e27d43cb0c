# Table 4, row 1: standard deformable attention.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(spread='none'))
