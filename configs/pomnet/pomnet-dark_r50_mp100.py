# Decoding by DARK in place of the quarter of a pixel.
_base_ = 'pomnet_r50_mp100.py'
model = dict(head=dict(refine='dark'))
