# Section 5.1 of the paper, where the rate is twice the released one, on 8 GPUs with batch 16 each.
_base_ = 'pomnet_210e.py'
optim_wrapper = dict(optimizer=dict(lr=1e-3))
