# Table 3, ID 4: one feature transformation for all keypoints.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(modulation='shared'))
