# The paper's text where the released code differs: loss (equation 3) and learning rate (section 5.1).
_base_ = [
    '../_base_/models/pomnet_r50.py', '../_base_/datasets/mp100.py',
    '../_base_/schedules/pomnet-paper_210e.py', '../_base_/default_runtime.py'
]
model = dict(head=dict(reduction='paper'))
