# The released learning rate, ten times the paper's.
_base_ = 'fmmp_200e.py'
optim_wrapper = dict(optimizer=dict(lr=1e-4))
