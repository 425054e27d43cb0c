# Table 1, row 2: shots are weighted by their predicted quality, without interaction.
_base_ = 'sdpnet_hrnet32_mp100.py'
protocol = dict(shots=3)
model = dict(head=dict(aggregation='weighted'))
