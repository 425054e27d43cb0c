"""Which instances form an episode: samplers that yield episodes, and exactly the released test rows.

An episode is a tuple of instance numbers of one category, supports first, query last. What a sampler yields depends on
(seed, epoch, index) alone, never on workers, ranks or the clock.
"""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler

from capekit.choices import Count, Size, checked
from capekit.errors import CapekitError
from capekit.registry import DATA_SAMPLERS, FUNCTIONS
from capekit.structures import Episode

RELEASED_SEED = 1


class EpisodeKey(NamedTuple):
    """What a sampler yields and a data set turns into an `Episode`."""

    instances: tuple[int, ...]
    """Instance numbers: the supports, then the query."""
    seed: int | None = None
    """Seed of the augmentation; None = no augmentation."""


@dataclass(frozen=True, eq=False)
class TestPlan:
    """The episodes of a test: E episodes, each with S supports and the Q queries that share them, of one category."""

    __test__ = False  # Its name starts like that of a pytest class.

    supports: np.ndarray
    """(E, S) int64 instance numbers."""
    queries: np.ndarray
    """(E, Q) int64 instance numbers."""

    def __post_init__(self):
        if not (self.supports.ndim == self.queries.ndim == 2 and len(self.supports) == len(self.queries)
                and self.supports.shape[1] and self.queries.shape[1]):
            raise CapekitError(f'a test plan needs supports (E, S) and queries (E, Q), S and Q 1 or more, not '
                               f'{self.supports.shape} and {self.queries.shape}')

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.supports)

    @property
    def shots(self) -> int:
        """Supports per episode."""
        return self.supports.shape[1]

    @property
    def rows(self) -> np.ndarray:
        """(E * Q, S + 1) int64: the supports and one query per row, as the released code lists them."""
        supports = np.repeat(self.supports, self.queries.shape[1], axis=0)
        return np.concatenate((supports, self.queries.reshape(-1, 1)), axis=1)

    @staticmethod
    def from_rows(rows: np.ndarray, queries: int) -> 'TestPlan':
        """The plan that corresponds to `rows` (N, S + 1), with `queries` successive rows per episode.

        Raises:
            CapekitError: the rows do not form such a plan.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.ndim != 2 or queries < 1 or len(rows) % queries:
            raise CapekitError(f'rows of shape {rows.shape} do not form episodes of {queries} queries')
        grouped = rows.reshape(-1, queries, rows.shape[1])
        if (grouped[..., :-1] != grouped[:, :1, :-1]).any():
            raise CapekitError(f'rows of shape {rows.shape}: the supports differ within {queries} successive rows')
        return TestPlan(grouped[:, 0, :-1], grouped[..., -1])


@FUNCTIONS.register_module()
def collate_episodes(episodes: list) -> Episode:
    """`Episode.collate` under a name that a config can write: `collate_fn=dict(type='capekit.collate_episodes')`."""
    return Episode.collate(episodes)


@DATA_SAMPLERS.register_module()
class TrainEpisodes(Sampler):
    """The same number of training episodes for every category, drawn anew in every epoch.

    Args:
        dataset: an `MP100Dataset`, or anything with its `categories` and `instances_of`.
        shots: supports per episode; the shots + 1 instances of an episode all differ.
        seed: of all draws; None (as mmengine passes with `diff_rank_seed`) draws one that all ranks share.
        episodes_per_category: None = as many as the largest category has instances, as released.

    Raises:
        CapekitError: a setting below 1, or categories with fewer than shots + 1 instances.
    """

    @checked
    def __init__(self, dataset, shots: Size, seed: Count | None = 0, episodes_per_category: Size | None = None):
        _check_enough_instances(dataset, shots, 1)
        self.shots = shots
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self._members = [dataset.instances_of(id_) for id_ in dataset.categories]
        self.episodes_per_category = episodes_per_category or max(len(members) for members in self._members)
        self.rank, self.world_size = get_dist_info()

    def set_epoch(self, epoch: int):
        """Called by mmengine before every epoch."""
        self.epoch = epoch

    def epoch_episodes(self, epoch: int) -> list:
        """All `EpisodeKey` of an epoch, over all ranks, in order."""
        rng = np.random.default_rng([self.seed, epoch])
        rows = [rng.choice(members, self.shots + 1, replace=False).tolist()
                for members in self._members for _ in range(self.episodes_per_category)]
        seeds = rng.integers(2 ** 62, size=len(rows)).tolist()
        return [EpisodeKey(tuple(rows[i]), seeds[i]) for i in rng.permutation(len(rows))]

    def __iter__(self) -> Iterator[EpisodeKey]:
        episodes = self.epoch_episodes(self.epoch)
        # Ranks take turns; wrapped around so that all of them get equally many.
        for turn in range(len(self)):
            yield episodes[(turn * self.world_size + self.rank) % len(episodes)]

    def __len__(self) -> int:
        return -(-self.episodes_per_category * len(self._members) // self.world_size)


@DATA_SAMPLERS.register_module()
class TestEpisodes(Sampler):
    """The released test protocol: its `plan`, for evaluation loops, and its rows, one key per query, in row order.

    A seed other than the released one, which published numbers are measured with, is logged as a warning.

    Args:
        dataset, shots, queries, episodes, seed: as in `released_test_episodes`; a seed of None is the released one.
    """

    __test__ = False  # Its name starts like that of a pytest class.

    def __init__(self, dataset, shots: Size, queries: Size = 15, episodes: Size = 200, seed: Count | None = 1):
        self.shots, self.queries, self.episodes = shots, queries, episodes
        self.seed = RELEASED_SEED if seed is None else seed
        if self.seed != RELEASED_SEED:
            print_log(f'test episodes are drawn with seed {self.seed}; published numbers use seed {RELEASED_SEED}: '
                      'write seed=1 in the sampler for those', 'current', logging.WARNING)
        self.plan = released_test_plan(dataset, shots, queries, episodes, self.seed)
        self.rows = self.plan.rows
        """(N, shots + 1) int64 instance numbers."""

    def set_epoch(self, epoch: int):
        """Test episodes are the same in every epoch."""

    def __iter__(self) -> Iterator[EpisodeKey]:
        return (EpisodeKey(tuple(row)) for row in self.rows.tolist())

    def __len__(self) -> int:
        return len(self.rows)


@checked
def released_test_plan(dataset, shots: Size, queries: Size = 15, episodes: Size = 200, seed: Count = 1) -> TestPlan:
    """The test episodes, exactly as the released CAPE code draws them.

    For each category in file order, `random.sample` draws shots + queries instances `episodes` times; the first are the
    supports, the others the queries.

    Args:
        dataset: an `MP100Dataset`, or anything with its `categories` and `instances_of`.
        shots: supports per episode.
        queries: queries that share an episode's supports.
        episodes: episodes per category: 200 in tests, 100 in validation.
        seed: of Python's `random`; 1 in the release.

    Raises:
        CapekitError: a setting below 1, or categories with fewer than shots + queries instances.
    """
    _check_enough_instances(dataset, shots, queries)
    stream = random.Random(seed)
    members = [dataset.instances_of(category_id).tolist() for category_id in dataset.categories]
    drawn = np.array([stream.sample(of_category, shots + queries) for of_category in members for _ in range(episodes)],
                     dtype=np.int64)
    return TestPlan(drawn[:, :shots], drawn[:, shots:])


def released_test_episodes(dataset, shots: int, queries: int = 15, episodes: int = 200, seed: int = 1) -> np.ndarray:
    """The rows [supports..., query] of `released_test_plan`, (categories * episodes * queries, shots + 1) int64."""
    return released_test_plan(dataset, shots, queries, episodes, seed).rows


def too_small_categories(dataset, needed: int) -> list:
    """(Category, number of instances) of every category with fewer than `needed` instances."""
    counts = [(category, len(dataset.instances_of(id_))) for id_, category in dataset.categories.items()]
    return [(category, count) for category, count in counts if count < needed]


def _check_enough_instances(dataset, shots: int, queries: int):
    needed = shots + queries
    small = too_small_categories(dataset, needed)
    if not small:
        return
    named = ', '.join(f"'{category.name}' (id {category.id}) has {count}" for category, count in small[:5])
    more = f' and {len(small) - 5} more' if len(small) > 5 else ''
    what = f'{shots} shot(s) + {queries} ' + ('query' if queries == 1 else 'queries')
    raise CapekitError(f'{len(small)} of {len(dataset.categories)} categories have too few instances: an episode of '
                       f'{what} needs {needed}; {named}{more}; ask for fewer queries or shots, or leave them out by '
                       '`categories`')
