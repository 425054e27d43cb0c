"""From images and boxes to predictions; boxes that are not given are found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from capekit.errors import CapekitError
from capekit.labelling.boxes import BoxFinder, iou
from capekit.labelling.calibration import Calibration
from capekit.labelling.crops import PLAIN
from capekit.labelling.records import PosePrediction
from capekit.labelling.refine import Hull
from capekit.labelling.sources import Picture
from capekit.labelling.views import VIEWS, answer_boxes, answer_views

SPARE = 2
"""More boxes are looked into than animals are asked for."""
SAME = 0.5
"""Boxes that overlap more after the first pass are of one animal."""
Boxes = str | dict[str, Sequence] | Callable[[np.ndarray], Sequence] | None


class Predictor:
    """Answers pictures with a model that has its supports.

    Args:
        model: with `size` and `answer`.
        finder: of boxes; None if boxes are always given.
        hull: how boxes surround keypoints.
        calibration: of expected errors.
        seen: (K,) bool, keypoints that some support shows; the others are not predicted.
        batch_size: crops answered at once.
    """

    def __init__(self, model, finder: BoxFinder | None, hull: Hull, calibration: Calibration, seen: np.ndarray,
                 batch_size: int):
        self.model, self.finder, self.hull, self.calibration = model, finder, hull, calibration
        self.seen, self.batch_size = seen, batch_size

    @property
    def together(self) -> int:
        """Pictures answered at once."""
        return max(1, self.batch_size // len(VIEWS))

    def predict(self, pictures: Iterable[Picture], boxes: Boxes, animals: int) -> Iterator[list[tuple]]:
        """Answer pictures in groups of `together`, in order.

        Args:
            pictures: broken ones get no predictions.
            boxes: None or 'find', 'whole', {name: [xywh, ...]}, or a function of an image (H, W, 3) uint8 RGB.
            animals: how many to find in an image at most.

        Yields:
            for each group: pairs of a picture and the list of its predictions.
        """
        check_boxes(boxes)
        if animals < 1:
            raise CapekitError(f'animals={animals} must be 1 or more')
        pictures = iter(pictures)
        while group := list(islice(pictures, self.together)):
            chosen = [[] if picture.image is None else self._boxes(picture, boxes, animals) for picture in group]
            wanted = [(picture.image, box) for picture, own in zip(group, chosen, strict=True) for box, _, _ in own]
            answers = iter(answer_boxes(self.model, wanted, self.batch_size))
            yield [(picture, [self._prediction(picture, number, *how, *next(answers))
                              for number, how in enumerate(own)])
                   for picture, own in zip(group, chosen, strict=True)]

    def _boxes(self, picture: Picture, boxes: Boxes, animals: int) -> list[tuple[np.ndarray, str, float]]:
        """Boxes (4,), where each is from, and its score."""
        assert picture.image is not None
        if boxes is None or boxes == 'find':
            return [(box, 'found', score) for box, score in self._find(picture.image, animals)]
        height, width = picture.image.shape[:2]
        if boxes == 'whole':
            return [(np.array([0.0, 0.0, width, height]), 'whole', 1.0)]
        given = boxes(picture.image) if callable(boxes) else boxes.get(picture.name, ())
        return [(check_box(box, picture.name), 'detector' if callable(boxes) else 'given', 1.0) for box in given]

    def _find(self, image: np.ndarray, animals: int) -> list[tuple[np.ndarray, float]]:
        """Boxes in two passes: each is replaced by the one around the keypoints that are predicted in it.

        Those are kept that look most like an animal and whose keypoints the model is surest of.
        """
        if self.finder is None:
            raise CapekitError("boxes: none are given, and nothing has learned to find them; call fit, or give 'whole'")
        found = self.finder.find(image, animals + SPARE)
        points, scores = answer_views(self.model, [(image, box, PLAIN) for box, _ in found], self.batch_size)
        boxes = [self.hull.refine(box, own[self.seen], sure[self.seen])
                 for (box, _), own, sure in zip(found, points, scores, strict=True)]
        _, scores = answer_views(self.model, [(image, box, PLAIN) for box in boxes], self.batch_size)
        value = np.array([score + sure[self.seen].mean() for (_, score), sure in zip(found, scores, strict=True)])
        kept: list[tuple[np.ndarray, float]] = []
        for i in np.argsort(-value, kind='stable').tolist():
            others = np.array([box for box, _ in kept]).reshape(-1, 4)
            if len(kept) < animals and (iou(boxes[i][None], others) <= SAME).all():
                kept.append((boxes[i], found[i][1]))
        return kept

    def _prediction(self, picture: Picture, number: int, box: np.ndarray, box_from: str, box_score: float,
                    points: np.ndarray, scores: np.ndarray, spread: np.ndarray) -> PosePrediction:
        points, spread = np.where(self.seen[:, None], points, np.nan), np.where(self.seen, spread, np.nan)
        scores = np.where(self.seen, scores, 0.0)
        error = self.calibration.expect(spread) * max(box[2:])
        return PosePrediction(picture.name, picture.frame, number, box, points, scores, error, box_from=box_from,
                              box_score=box_score, spread=spread)


def check_boxes(boxes: Boxes) -> None:
    """Raise a CapekitError unless it is something that `predict` takes."""
    if not (boxes is None or boxes in ('find', 'whole') if isinstance(boxes, str) or boxes is None else
            callable(boxes) or isinstance(boxes, dict)):
        raise CapekitError(f"boxes={boxes!r}: valid are None or 'find', 'whole', a dict of image name: [[x, y, w, h], "
                           '...], or a function of an image')


def check_box(box, name: str) -> np.ndarray:
    """(4,) float64.

    Raises:
        CapekitError: not four numbers, or nothing inside.
    """
    values = np.asarray(box, dtype=np.float64) if np.size(box) == 4 else np.zeros(4)
    if values.shape != (4,) or not np.isfinite(values).all() or min(values[2:]) <= 0:
        raise CapekitError(f'{name}: box {box!r}; expected [x, y, width, height] with a width and height above 0')
    return values
