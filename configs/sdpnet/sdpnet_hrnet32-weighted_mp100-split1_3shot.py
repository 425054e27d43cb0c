# Table 1, row 2: shots are weighed by their predicted quality, without interaction.
_base_ = 'sdpnet_hrnet32_mp100-split1_3shot.py'
model = dict(head=dict(aggregation='weighted'))
