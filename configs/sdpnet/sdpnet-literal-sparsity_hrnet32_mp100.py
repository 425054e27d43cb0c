# Not in the paper: equation 8 to the letter, which is constant; comparing with ID 3 shows just that.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(sparsity_form='l1'))
