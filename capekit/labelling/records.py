"""What goes in and comes out of labelling: supports, predictions, and what is known about their errors.

Points are x, y in pixels of the image, pixel centres at integers; boxes are x, y, width, height in the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Support:
    """One animal that a person has labelled."""

    name: str
    """Of the image file, relative to the folder of the images."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    points: np.ndarray
    """(K, 2) float64; meaningless where not visible."""
    visible: np.ndarray
    """(K,) bool, labelled."""
    box: np.ndarray
    """(4,) float64."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """The supports of one category, and what is known about the category."""

    category: str
    names: tuple[str, ...]
    """K names of keypoints."""
    links: np.ndarray
    """(E, 2) int64 zero-based pairs."""
    supports: tuple[Support, ...]

    def subset(self, numbers: Sequence[int]) -> 'Labelled':
        """The same with these supports only."""
        return Labelled(self.category, self.names, self.links, tuple(self.supports[i] for i in numbers))

    @property
    def counts(self) -> np.ndarray:
        """(K,) int64 supports that show each keypoint."""
        return np.sum([support.visible for support in self.supports], 0)


@dataclass(eq=False)
class PosePrediction:
    """The keypoints of one animal in one image."""

    image: str
    """Name of the image file, or of the video."""
    frame: int | None
    """Frame number in the video, from 0; None for an image."""
    animal: int
    """Number of the animal in the image, from 0, or in the video."""
    box: np.ndarray
    """(4,) float64."""
    points: np.ndarray
    """(K, 2) float64, nan where no support shows the keypoint."""
    scores: np.ndarray
    """(K,) float64 confidence in [0, 1]; comparable within one model only."""
    error: np.ndarray
    """(K,) float64 expected distance to the true point in pixels; nan where uncalibrated."""
    rank: int = 0
    """Place in the review list, from 1, the worst first; 0 before `review.rank_worst_first`."""
    box_from: str = 'given'
    """'given', 'whole', 'found', or 'detector'."""
    box_score: float = 1.0
    """Of a box that was found: its expected overlap (intersection over union) with the true one."""
    spread: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(K,) float64 disagreement between re-crops: root mean squared distance to their median, in longest box sides."""
    misfit: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(K,) float64 distance to where the most similar labelled pose has the keypoint, in longest box sides, see
    `capekit.labelling.poses`; nan where none shares enough keypoints."""
    reasons: list[str] = field(default_factory=list)
    """Why a person should look at it."""


@dataclass(frozen=True)
class KeypointReport:
    """What leaving supports out says about one keypoint."""

    name: str
    supports: int
    """Supports that show it."""
    error: float
    """Mean leave-one-out error in longest box sides; nan if fewer than two supports show it."""
    interval: tuple[float, float]
    """95 % interval of that mean over supports, nan likewise."""


@dataclass(frozen=True)
class FitReport:
    """What `CapeInferencer.fit` learned and how well it does on supports left out."""

    model: str
    """'adapted', 'frozen', or the config's method."""
    supports: int
    steps: int
    """Adaptation steps taken on all supports."""
    seconds: float
    keypoints: tuple[KeypointReport, ...]
    calibrated: bool
    """There were enough left-out points to turn disagreement into expected pixels."""
    measured_with: str
    """How the left-out errors were obtained, in words."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without the time it took: the same fit gives the same file."""
        return dict(model=self.model, supports=self.supports, steps=self.steps,
                    calibrated=self.calibrated, measured_with=self.measured_with,
                    keypoints=[dict(name=k.name, supports=k.supports, error=k.error, interval=list(k.interval))
                               for k in self.keypoints])

    def __str__(self) -> str:
        from tabulate import tabulate
        rows = [[k.name, k.supports, 100 * k.error, 100 * k.interval[0], 100 * k.interval[1]] for k in self.keypoints]
        table = tabulate(rows, ['keypoint', 'supports', 'error, % of box', 'from', 'to'], 'github', floatfmt='.1f')
        note = '' if self.calibrated else '; too few left-out points to expect errors in pixels'
        return (f'{table}\nmodel: {self.model}, {self.supports} supports, {self.steps} steps in {self.seconds:.0f} s; '
                f'errors: {self.measured_with}{note}')
