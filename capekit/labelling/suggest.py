"""What to label next: uncertain, unlike what is chosen already, and a random share for an honest accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from capekit.errors import CapekitError
from capekit.labelling.crops import cut
from capekit.labelling.records import PosePrediction
from capekit.labelling.review import animal_uncertainty, uncertainty

RANDOM_SHARE = 0.2
CANDIDATES = 5
"""Uncertain ones are chosen among so many times their number."""
THUMBNAIL = 8


@dataclass(frozen=True)
class Suggestion:
    """One image to label."""

    prediction: PosePrediction
    reason: str
    """'uncertain', or 'random': only those say how accurate the predictions are."""


def suggest(predictions: Sequence[PosePrediction], n: int, read: Callable[[PosePrediction], np.ndarray | None],
            seed: int = 0) -> list[Suggestion]:
    """Choose at most `n` images; of several animals in one, the most uncertain counts.

    Args:
        predictions: of all images that are not labelled.
        n: number of images.
        read: a prediction -> its image (H, W, 3) uint8 RGB, None where it is gone.
        seed: of the random share.

    Raises:
        CapekitError: n is below 1.
    """
    if n < 1:
        raise CapekitError(f'suggest: n={n} must be 1 or more')
    per_image = _most_uncertain(predictions)
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(per_image))[:round(n * RANDOM_SHARE) if n > 1 else 0].tolist()
    chosen = [Suggestion(per_image[i][0], 'random') for i in places]
    rest = sorted((entry for i, entry in enumerate(per_image) if i not in places), key=lambda entry: -entry[1])
    rest = rest[:CANDIDATES * (n - len(chosen))]
    looks = [_look(prediction, read(prediction)) for prediction, _ in rest]
    return chosen + [Suggestion(rest[i][0], 'uncertain') for i in _spread_out(looks, n - len(chosen))]


def _most_uncertain(predictions: Sequence[PosePrediction]) -> list[tuple[PosePrediction, float]]:
    """One prediction an image, with its mean rank within keypoints."""
    if not predictions:
        return []
    best: dict = {}
    values = animal_uncertainty(uncertainty(predictions)).tolist()
    for prediction, value in zip(predictions, values, strict=True):
        key = prediction.image, prediction.frame
        if key not in best or value > best[key][1]:
            best[key] = prediction, value
    return list(best.values())


def _look(prediction: PosePrediction, image: np.ndarray | None) -> np.ndarray:
    """The pose in its box and a thumbnail of the box, each with length 1 at most."""
    pose = np.nan_to_num((prediction.points - prediction.box[:2]) / max(prediction.box[2:])).ravel()
    small = np.zeros(3 * THUMBNAIL ** 2)
    if image is not None:
        crop = cut(image, prediction.box, 8 * THUMBNAIL)[0]
        small = cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel() / 255 - 0.5
    return np.concatenate([part / max(float(np.linalg.norm(part)), 1e-9) for part in (pose, small)])


def _spread_out(looks: list[np.ndarray], n: int) -> list[int]:
    """The first, then always the one farthest from all chosen."""
    chosen: list[int] = []
    distance = np.full(len(looks), np.inf)
    while len(chosen) < min(n, len(looks)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, [float(np.linalg.norm(look - looks[chosen[-1]])) for look in looks])
        distance[chosen] = -np.inf
    return chosen
