"""Samplers: the recorded test rows, training episodes as a function of (seed, epoch, index), workers and ranks."""

import hashlib
import json
import random
from collections import Counter

import numpy as np
import pytest
import torch
from coco_files import content, write, write_images
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from capekit.datasets import (
    EpisodeKey,
    MP100Dataset,
    TestEpisodes,
    TrainEpisodes,
    collate_episodes,
    episodes,
    released_test_episodes,
)
from capekit.errors import CapekitError


@pytest.fixture
def dataset(tmp_path):
    """Categories of 8, 5 and 3 instances."""
    data = content(categories=[(1, 'cup', 3), (2, 'bird', 4), (3, 'fish', 5)], per_category=8)
    dropped = {205, 206, 207, 303, 304, 305, 306, 307}
    data['annotations'] = [annotation for annotation in data['annotations'] if annotation['id'] not in dropped]
    return MP100Dataset(write(tmp_path / 'a.json', data), write_images(tmp_path / 'images', data), image_size=48,
                        augment={})


@pytest.mark.parametrize('shots, count', [(1, 200), (1, 5), (5, 200), (5, 5)])
def test_recorded_rows(shared, shots, count):
    recorded = json.loads((shared / 'reference/protocol/mp100_split1_test.json').read_text())
    case = recorded[f'{shots}shot_{count}episodes']
    dataset = MP100Dataset(shared / 'data/mp100/annotations' / recorded['annotations'])
    rows = released_test_episodes(dataset, shots, episodes=count)
    assert rows.shape == (case['pairs'], shots + 1) and rows.dtype == np.int64
    assert rows[:20].tolist() == case['first_rows'] and rows[-5:].tolist() == case['last_rows']
    text = '\n'.join(','.join(map(str, row)) for row in rows.tolist())
    assert hashlib.sha256(text.encode()).hexdigest() == case['sha256_of_rows']


def test_test_rows_leave_the_global_random_state_alone(dataset):
    random.seed(5)
    expected = random.random()
    random.seed(5)
    released_test_episodes(dataset, 1, queries=2, episodes=3)
    assert random.random() == expected


def test_test_episodes(dataset):
    sampler = TestEpisodes(dataset, shots=1, queries=2, episodes=3)
    assert len(sampler) == 18 and np.array_equal(sampler.rows, released_test_episodes(dataset, 1, 2, 3))
    keys = list(sampler)
    assert keys == [EpisodeKey(tuple(row), None) for row in sampler.rows.tolist()]
    sampler.set_epoch(4)
    assert list(sampler) == keys
    assert [dataset.category_ids[row].tolist() for row in sampler.rows[::6]] == [[1, 1], [2, 2], [3, 3]]
    assert not np.array_equal(TestEpisodes(dataset, 1, 2, 3, seed=2).rows, sampler.rows)
    assert np.array_equal(TestEpisodes(dataset, 1, 2, 3, seed=None).rows, sampler.rows)


def test_training_episodes(dataset):
    sampler = TrainEpisodes(dataset, shots=2, seed=3)
    keys = list(sampler)
    assert len(keys) == len(sampler) == 24  # three categories, each as often as the largest has instances
    assert Counter(int(dataset.category_ids[key.instances[0]]) for key in keys) == {1: 8, 2: 8, 3: 8}
    for key in keys:
        assert len(set(key.instances)) == 3 and len(set(dataset.category_ids[list(key.instances)].tolist())) == 1
    assert len({key.seed for key in keys}) == 24
    assert [dataset.category_ids[key.instances[0]] for key in keys] != sorted(
        dataset.category_ids[key.instances[0]] for key in keys)
    assert len(TrainEpisodes(dataset, 1, episodes_per_category=5)) == 15


def test_training_episodes_depend_on_seed_and_epoch_only(dataset):
    first, second = TrainEpisodes(dataset, 1, seed=3), TrainEpisodes(dataset, 1, seed=3)
    start = list(first)
    first.set_epoch(1)
    later = list(first)
    assert later != start
    second.set_epoch(1)  # without having drawn epoch 0, as after a resume
    np.random.seed(0)
    assert list(second) == later
    assert list(TrainEpisodes(dataset, 1, seed=4)) != start


@pytest.mark.parametrize('world_size', [2, 5])
def test_ranks_share_an_epoch(dataset, monkeypatch, world_size):
    everything = list(TrainEpisodes(dataset, 1, seed=3))
    shares = []
    for rank in range(world_size):
        monkeypatch.setattr(episodes, 'get_dist_info', lambda rank=rank: (rank, world_size))
        sampler = TrainEpisodes(dataset, 1, seed=3)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler) == -(-24 // world_size)
    turns = [key for turn in zip(*shares, strict=True) for key in turn]
    assert turns[:24] == everything
    assert turns[24:] == everything[:len(turns) - 24]  # wrapped around


def test_too_few_instances_names_every_category(dataset):
    with pytest.raises(CapekitError) as caught:
        TestEpisodes(dataset, shots=1, queries=5)
    message = str(caught.value)
    assert "2 of 3 categories" in message and "'bird' (id 2) has 5, 'fish' (id 3) has 3" in message
    assert 'needs 6' in message and '`categories`' in message and '\n' not in message
    with pytest.raises(CapekitError, match=r"'fish' \(id 3\) has 3"):
        TrainEpisodes(dataset, shots=3)


def test_many_small_categories_are_counted(tmp_path):
    data = content(categories=[(n, f'thing {n}', 3) for n in range(1, 9)], per_category=2)
    dataset = MP100Dataset(write(tmp_path / 'a.json', data))
    with pytest.raises(CapekitError, match=r"8 of 8 .*'thing 5' \(id 5\) has 2 and 3 more"):
        TestEpisodes(dataset, 1)


@pytest.mark.parametrize('name, value', [('shots', 0), ('queries', 0), ('episodes', -1), ('shots', 1.5),
                                         ('shots', True)])
def test_settings_below_one(dataset, name, value):
    with pytest.raises(CapekitError, match=f'{name}={value}'):
        released_test_episodes(dataset, **{**dict(shots=1, queries=1, episodes=1), name: value})


def test_training_settings_below_one(dataset):
    with pytest.raises(CapekitError, match='shots=0'):
        TrainEpisodes(dataset, 0)
    with pytest.raises(CapekitError, match='episodes_per_category=0'):
        TrainEpisodes(dataset, 1, episodes_per_category=0)


def batch_hashes(dataset, workers: int) -> list:
    """One hash over all tensors for every batch of an epoch."""
    loader = DataLoader(dataset, batch_size=4, sampler=TrainEpisodes(dataset, 2, seed=9), num_workers=workers,
                        collate_fn=collate_episodes)
    hashes = []
    for batch in loader:
        digest = hashlib.sha256()
        for value in vars(batch).values():
            for tensor in [value] if isinstance(value, torch.Tensor) else value:
                if isinstance(tensor, torch.Tensor):
                    digest.update(tensor.contiguous().numpy().tobytes())
        hashes.append(digest.hexdigest())
    return hashes


def test_two_workers_are_no_workers(dataset):
    alone = batch_hashes(dataset, 0)
    assert len(set(alone)) == 6
    assert batch_hashes(dataset, 2) == alone


def test_positions_of_an_episode_are_augmented_apart(dataset):
    first = dataset[EpisodeKey((0, 1, 2), 5)]
    assert torch.equal(first.query_images, dataset[EpisodeKey((0, 1, 2), 5)].query_images)
    assert not torch.equal(first.query_images, dataset[EpisodeKey((0, 1, 2), 6)].query_images)
    assert not torch.equal(first.query_images[0], dataset[EpisodeKey((2, 1, 0), 5)].support_images[0, 0])


def test_built_by_mmengine(dataset, tmp_path):
    settings = dict(type='MP100Dataset', ann_file=str(tmp_path / 'a.json'), images=str(tmp_path / 'images'),
                    image_size=48)
    with DefaultScope.overwrite_default_scope('capekit'):
        loader = Runner.build_dataloader(
            dict(dataset=settings, sampler=dict(type='TrainEpisodes', shots=1), batch_size=3, num_workers=0,
                 collate_fn=dict(type='capekit.collate_episodes')), seed=11)
        test_loader = Runner.build_dataloader(
            dict(dataset=settings, sampler=dict(type='TestEpisodes', shots=1, queries=2, episodes=2, seed=1),
                 batch_size=3, num_workers=0, collate_fn=dict(type='capekit.collate_episodes')), seed=11)
    assert loader.sampler.seed == 11 and test_loader.sampler.seed == 1
    batch = next(iter(loader))
    assert len(batch) == 3 and batch.shots == 1 and len(batch.links) == len(batch.meta) == 3
    assert batch.query_points.shape[1] == batch.num_keypoints.max()
    assert np.array_equal(test_loader.sampler.rows, released_test_episodes(dataset, 1, 2, 2))
