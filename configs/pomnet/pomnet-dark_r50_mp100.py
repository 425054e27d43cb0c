# Decoding by DARK instead of the quarter-pixel shift.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(refine='dark'))
