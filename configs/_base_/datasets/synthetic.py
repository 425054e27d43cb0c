# Generated images: tools/dataset/synthesize.py data/synthetic. Small crops, so that two CPU cores can train on them.
protocol = dict(shots=1)
image_size = 96  # side of the crops, in pixels
_dataset = dict(type='MP100Dataset', data_root='data/synthetic', images='images')
_loader = dict(num_workers=1, persistent_workers=True)

train_dataloader = dict(
    _loader, batch_size=16, collate_fn=dict(type='capekit.collate_episodes'),
    sampler=dict(type='TrainEpisodes', episodes_per_category=20),
    dataset=dict(_dataset, ann_file='annotations/train.json', augment=dict(scale=0.15, rotation=15)))
val_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', queries=15, episodes=5, seed=1),
    dataset=dict(_dataset, ann_file='annotations/val.json'))
test_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', queries=15, episodes=40, seed=1),
    dataset=dict(_dataset, ann_file='annotations/test.json'))
del _dataset, _loader

val_cfg = dict(type='EpisodeValLoop')
test_cfg = dict(type='EpisodeTestLoop')
val_evaluator = dict(type='EpisodeEvaluator')
test_evaluator = dict(type='EpisodeEvaluator', resamples=1000)
