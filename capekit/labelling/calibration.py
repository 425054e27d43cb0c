"""From disagreement between crops to expected pixels, learned from points whose truth is known."""

from dataclasses import dataclass, field

import numpy as np

LEAST = 50
"""Points with a known error below which nothing is expected: `error` is nan, and the report says uncalibrated."""


@dataclass
class Calibration:
    """Pairs of disagreement and error, both in longest box sides; expectations rise with disagreement.

    The errors come from supports that were left out, and from corrections.
    """

    spreads: np.ndarray = field(default_factory=lambda: np.zeros(0))
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def calibrated(self) -> bool:
        """There are at least `LEAST` pairs."""
        return len(self.errors) >= LEAST

    def add(self, spreads: np.ndarray, errors: np.ndarray) -> None:
        """Add pairs; those with nan are left out."""
        known = np.isfinite(spreads) & np.isfinite(errors)
        self.spreads = np.concatenate((self.spreads, spreads[known]))
        self.errors = np.concatenate((self.errors, errors[known]))

    def expect(self, spreads: np.ndarray) -> np.ndarray:
        """Expected errors in longest box sides, nan where uncalibrated; linear between steps."""
        if not self.calibrated:
            return np.full(np.shape(spreads), np.nan)
        order = np.argsort(self.spreads, kind='stable')
        return np.interp(spreads, self.spreads[order], rising(self.errors[order]))


def rising(values: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls (least squares, pooling of adjacent violators)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size, mean = sizes.pop(), means.pop()
            means[-1] = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            sizes[-1] += size
    return np.repeat(means, sizes)
