"""From annotation files to episodes: instances, crops, samplers, splits."""

from capekit.datasets.coco import Category
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
from capekit.datasets.transforms import ColorJitter, Geometry, RandomErasing, ScaleRotation, Transform

__all__ = ['Category', 'ColorJitter', 'Crop', 'EpisodeKey', 'Geometry', 'MP100Dataset', 'RandomErasing', 'SPLITS',
           'ScaleRotation', 'TestEpisodes', 'TestPlan', 'TrainEpisodes', 'Transform', 'collate_episodes',
           'released_test_episodes', 'released_test_plan', 'resolve_categories']
