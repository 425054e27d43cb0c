# torch.hub's position grid; the backbone never learns.
model = dict(
    type='CapeEstimator',
    backbone=dict(type='TimmViT', name='vit_small_patch14_dinov2.lvd142m', position='hub', weights='pretrained',
                  frozen=True),
    head=dict(type='EdgeCapeHead'))
