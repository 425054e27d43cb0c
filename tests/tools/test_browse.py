"""What `browse` shows is what a run is given."""

import json
import re

import pytest

from capekit.commands import browse
from capekit.datasets import TrainEpisodes, released_test_plan
from capekit.engine.config import build, load_config
from capekit.registry import DATASETS


@pytest.fixture
def drawn(monkeypatch):
    """The episodes that are drawn."""
    episodes = []
    draw = browse.episode_figure
    monkeypatch.setattr(browse, 'episode_figure', lambda episode: episodes.append(episode) or draw(episode))
    return episodes


def _items(folder):
    text = (folder / 'index.html').read_text()
    return json.loads(re.search(r'<script id="items" type="application/json">(.*)</script>', text)[1])


def test_training_shows_what_a_run_is_given(config, tool, tmp_path, drawn):
    status, out, err = tool('browse', config, '--episodes', 6, '--seed', 3, '--shots', 2, '--out', tmp_path / 'seen')
    assert status == 0, err
    assert '6 episodes; to leaf through, open' in out and len(list((tmp_path / 'seen').glob('*.png'))) == 6
    settings = load_config(config, {'protocol.shots': 2})
    dataset = build(DATASETS, settings.train_dataloader.dataset, 'train_dataloader.dataset')
    keys = TrainEpisodes(dataset, 2, seed=3, episodes_per_category=4).epoch_episodes(0)
    slots = [max(dataset[key].query_points.shape[1] for key in keys[start:start + 4]) for start in (0, 0, 0, 0, 4, 4)]
    for episode, key, width in zip(drawn, keys, slots, strict=False):
        expected, count = dataset[key], int(episode.num_keypoints)
        assert len(episode) == 1 and episode.meta[0]['instances'] == key.instances
        assert (episode.query_images == expected.query_images).all()
        assert (episode.support_points[:, :, :count] == expected.support_points).all()
        assert episode.query_points.shape[1] == width
    items = _items(tmp_path / 'seen')
    assert items[0]['note'].startswith(f'{int(drawn[0].num_keypoints)} keypoints in {slots[0]} slots')
    assert items[4]['episode'] == '0 of batch 1'


@pytest.mark.parametrize('stage', ['val', 'test'])
def test_a_test_shows_episodes_of_its_plan(config, tool, tmp_path, drawn, stage):
    status, _, err = tool('browse', config, '--stage', stage, '--episodes', 4, '--out', tmp_path)
    assert status == 0, err
    settings = load_config(config)
    loader = settings[f'{stage}_dataloader']
    dataset = build(DATASETS, loader.dataset, 'dataset')
    plan = released_test_plan(dataset, 1, 2, loader.sampler.episodes, 1)
    for item, episode in zip(_items(tmp_path), drawn, strict=True):
        number = int(item['episode'].partition(',')[0])
        assert episode.meta[0]['instances'] == (plan.supports[number, 0], plan.queries[number, 0])


def test_images_go_to_the_backends_of_a_config(config, tool, tmp_path):
    visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
    (tmp_path / 'seen.py').write_text(f'_base_ = {str(config)!r}\nvisualizer = {visualizer}\n')
    status, _, err = tool('browse', tmp_path / 'seen.py', '--episodes', 2, '--out', tmp_path / 'seen')
    assert status == 0 and len(list((tmp_path / 'seen/vis_data/vis_image').glob('*.png'))) == 2, err


def test_more_episodes_than_there_are(config, tool, tmp_path):
    status, out, err = tool('browse', config, '--stage', 'test', '--episodes', 50, '--out', tmp_path)
    assert status == 0 and out.startswith('9 episodes;'), err


@pytest.mark.parametrize(('more', 'message'), [
    (['--episodes', 0], '--episodes 0: must be a whole number, 1 or more'),
    (['--stage', 'val', '--cfg-options', 'val_dataloader=None', 'val_cfg=None', 'val_evaluator=None'],
     'has no val_dataloader'),
    (['--stage', 'test', '--shots', 9], 'too few instances'),
    (['--stage', 'test', '--cfg-options', 'test_dataloader.sampler.type=TrainEpisodes'], 'TrainEpisodes')])
def test_bad_input(config, tool, tmp_path, more, message):
    status, _, err = tool('browse', config, '--out', tmp_path / 'seen', *more)
    assert status == 2 and message in err and err.count('\n') == 1 and not (tmp_path / 'seen').exists(), err
