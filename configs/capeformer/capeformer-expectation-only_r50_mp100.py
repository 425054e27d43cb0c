# Table 4, second row: no loss on the shape of the similarity map.
_base_ = 'capeformer_r50_mp100.py'
model = dict(head=dict(heatmap_weight=0))
