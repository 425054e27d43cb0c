# Table 3, ID 3: no sparsity term.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(sparsity_weight=0))
