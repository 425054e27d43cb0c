# Table 3, ID 3: no sparsity term.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(sparsity_weight=0))
