"""Annotation files to episodes: instances, crops, samplers, splits."""

from capekit.datasets.coco import Category
from capekit.datasets.crops import Augmentation
from capekit.datasets.dataset import Crop, MP100Dataset
from capekit.datasets.episodes import (
    EpisodeKey,
    TestEpisodes,
    TestPlan,
    TrainEpisodes,
    collate_episodes,
    released_test_episodes,
    released_test_plan,
)
from capekit.datasets.splits import SPLITS, resolve_categories

__all__ = ['Augmentation', 'Category', 'Crop', 'EpisodeKey', 'MP100Dataset', 'SPLITS', 'TestEpisodes', 'TestPlan',
           'TrainEpisodes', 'collate_episodes', 'released_test_episodes', 'released_test_plan', 'resolve_categories']
