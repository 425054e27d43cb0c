"""Generated categories: a body plan with its own proportions, joints and appearance, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from capekit.errors import CapekitError

from .appearance import Appearance, Part, choose_looks, choose_paints
from .plans import PLANS, Plan, human_face

MIN_CATEGORIES = 11
"""With fewer, training cannot have all eight super-categories and leave some categories for validation and test."""
MIN_KEYPOINTS, MAX_KEYPOINTS = 8, 68


@dataclass(frozen=True)
class Category:
    """What all instances of a category share: N points, the first K of them keypoints; longest side at rest 1."""

    id: int
    name: str
    supercategory: str
    keypoints: tuple
    """K names."""
    links: tuple
    """Zero-based pairs of keypoints, connected."""
    rest: np.ndarray
    """(N, 3) x right, y down, z towards the viewer."""
    parents: np.ndarray
    """(N,) the point that each one rotates around; -1 for roots."""
    order: tuple
    """The points, parents before children."""
    bends: np.ndarray
    """(N,) largest rotation around the parent, radians."""
    yaw: float
    pitch: float
    """Largest rotation out of the image plane, radians."""
    appearance: Appearance

    def record(self) -> dict:
        """The category as an annotation file lists it."""
        return dict(
            id=self.id,
            name=self.name,
            supercategory=self.supercategory,
            keypoints=list(self.keypoints),
            skeleton=[list(link) for link in self.links],
        )


def look_sizes(count: int, scales=1.0) -> np.ndarray:
    """(count,) diameters of looks as a fraction of the object's longest side: smaller if there are many."""
    return np.clip(0.56 / np.sqrt(count), 0.062, 0.15) * np.ones(count) * scales


def build(index: int, supercategory: str, plan: Plan, rng: np.random.Generator) -> Category:
    """Make a category from a plan: keypoints first, unit size, looks and paints chosen."""
    keep = [n for n, name in enumerate(plan.names) if name]
    helpers = [n for n, name in enumerate(plan.names) if not name]
    new = {old: place for place, old in enumerate(keep + helpers)}
    rest = np.array([plan.xyz[old] for old in keep + helpers])
    low, high = rest.min(0), rest.max(0)
    longest = (high - low)[:2].max()
    rest = (rest - (low + high) / 2) / longest
    parents = np.array([new[plan.parents[old]] if plan.parents[old] >= 0 else -1 for old in keep + helpers])
    order = tuple(new[old] for old in range(len(plan.names)))
    paints = choose_paints(rng, plan.paints)
    twins = {new[a]: new[b] for a, b in plan.twins.items() if rng.random() < 0.35}
    looks = choose_looks(
        rng,
        [plan.shapes[old] for old in keep],
        look_sizes(len(keep), np.array([plan.scales[old] for old in keep])) * rng.uniform(0.85, 1.15, len(keep)),
        {paint.first for paint in paints[:2]},
        twins,
    )
    parts = tuple(
        Part(tuple(new[p] for p in points), tuple(w / longest for w in widths), paint, depth / longest)
        for points, widths, paint, depth in plan.parts
    )
    links = tuple(sorted({(min(new[a], new[b]), max(new[a], new[b])) for a, b in plan.links}))
    return Category(
        index + 1,
        f'{plan.kind}_{index + 1:03d}',
        supercategory,
        tuple(plan.names[old] for old in keep),
        links,
        rest,
        parents,
        order,
        np.array([plan.bends[old] for old in keep + helpers]),
        plan.yaw,
        plan.pitch,
        Appearance(parts, paints, looks),
    )


def make_category(seed: int, index: int) -> Category:
    """The category at this index; super-categories take turns, the first human face has 68 keypoints."""
    names = tuple(PLANS)
    supercategory = names[index % len(names)]
    rng = np.random.default_rng([seed, index])
    while True:
        plan = Plan()
        if index < len(names) and supercategory == 'human_face':
            human_face(rng, plan, full=True)
        else:
            PLANS[supercategory](rng, plan)
        if MIN_KEYPOINTS <= sum(name is not None for name in plan.names) <= MAX_KEYPOINTS:
            return build(index, supercategory, plan, rng)


def split_categories(count: int) -> dict:
    """Indices of the train, val and test categories: about 70, 10 and 20 of 100, the first eight always in train."""
    if count < MIN_CATEGORIES:
        raise CapekitError(f'{count} categories cannot be split; ask for at least {MIN_CATEGORIES}')
    test, val = round(count * 0.2), max(1, round(count * 0.1))
    train = count - test - val
    return dict(train=range(train), val=range(train, train + val), test=range(train + val, count))
