"""Annotation files to episodes: instances, crops, samplers, splits."""

from capekit.datasets.crops import Augmentation
from capekit.datasets.episodes import EpisodeKey, TestEpisodes, TrainEpisodes, collate_episodes, released_test_episodes
from capekit.datasets.mp100 import Category, Crop, MP100Dataset
from capekit.datasets.splits import SPLITS, resolve_categories

__all__ = ['Augmentation', 'Category', 'Crop', 'EpisodeKey', 'MP100Dataset', 'SPLITS', 'TestEpisodes', 'TrainEpisodes',
           'collate_episodes', 'released_test_episodes', 'resolve_categories']
