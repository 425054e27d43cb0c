# MP-100, split 1, one shot. The other splits and shots are the files beside this one; a config inherits one of them.
image_size = 256  # of the crops, in pixels
_dataset = dict(type='MP100Dataset', data_root='data/mp100', images='images')
_loader = dict(num_workers=8, persistent_workers=True)

train_dataloader = dict(
    _loader, batch_size=16, collate_fn=dict(type='capekit.collate_episodes'),
    sampler=dict(type='TrainEpisodes', shots=1),
    dataset=dict(_dataset, ann_file='annotations/mp100_split1_train.json', augment=dict(scale=0.15, rotation=15)))
val_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', shots=1, queries=15, episodes=100, seed=1),
    dataset=dict(_dataset, ann_file='annotations/mp100_split1_val.json'))
test_dataloader = dict(
    _loader, batch_size=64, sampler=dict(type='TestEpisodes', shots=1, queries=15, episodes=200, seed=1),
    dataset=dict(_dataset, ann_file='annotations/mp100_split1_test.json'))
del _dataset, _loader

val_cfg = dict(type='EpisodeValLoop')
test_cfg = dict(type='EpisodeTestLoop')
val_evaluator = dict(type='EpisodeEvaluator')
test_evaluator = dict(type='EpisodeEvaluator', resamples=1000)
