# Section 4.1 of the paper: Adam, 200 epochs, batch 16 in all; steps and warm-up are the released ones.
_base_ = 'capeformer_200e.py'
