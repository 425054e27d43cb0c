# MP-100. The protocol fills in annotation files, categories, shots and test episodes (capekit/engine/protocol.py).
protocol = dict(split=1, shots=1)
image_size = 256  # side of the crops, in pixels
_dataset = dict(type='MP100Dataset', data_root='data/mp100', images='images')
_loader = dict(num_workers=8, persistent_workers=True)

train_dataloader = dict(
    _loader, batch_size=16, collate_fn=dict(type='capekit.collate_episodes'), sampler=dict(type='TrainEpisodes'),
    dataset=dict(_dataset, augment=dict(scale=0.15, rotation=15)))
val_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', queries=15, episodes=100, seed=1),
    dataset=dict(_dataset))
test_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', queries=15, seed=1),
    dataset=dict(_dataset))
del _dataset, _loader

val_cfg = dict(type='EpisodeValLoop')
test_cfg = dict(type='EpisodeTestLoop')
val_evaluator = dict(type='EpisodeEvaluator')
test_evaluator = dict(type='EpisodeEvaluator', resamples=1000)
