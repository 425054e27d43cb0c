# Table 3, ID 5: a learned modulation per slot.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(modulation='fixed'))
