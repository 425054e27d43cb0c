"""From images and boxes to predictions; boxes that are not given are found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from capekit.errors import CapekitError
from capekit.labelling.boxes import BoxFinder
from capekit.labelling.calibration import Calibration
from capekit.labelling.crops import PLAIN
from capekit.labelling.records import PosePrediction
from capekit.labelling.refine import Hull
from capekit.labelling.sources import Picture
from capekit.labelling.views import VIEWS, answer_boxes, answer_views

Boxes = str | dict[str, Sequence] | Callable[[np.ndarray], Sequence] | None


class Predictor:
    """Answers pictures with a model that has its supports.

    Args:
        model: with `size` and `answer`.
        finder: of boxes; None if boxes are always given.
        hull: how boxes surround keypoints.
        calibration: of expected errors.
        batch_size: crops answered at once.
    """

    def __init__(self, model, finder: BoxFinder | None, hull: Hull, calibration: Calibration, batch_size: int):
        self.model, self.finder, self.hull, self.calibration = model, finder, hull, calibration
        self.batch_size = batch_size

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
        """Found boxes, each replaced by the box around the keypoints that are predicted in it."""
        if self.finder is None:
            raise CapekitError("boxes: none are given, and nothing has learned to find them; call fit, or give 'whole'")
        found = self.finder.find(image, animals)
        points, scores = answer_views(self.model, [(image, box, PLAIN) for box, _ in found], self.batch_size)
        return [(self.hull.refine(box, *answer), score)
                for (box, score), answer in zip(found, zip(points, scores, strict=True), strict=True)]

    def _prediction(self, picture: Picture, number: int, box: np.ndarray, box_from: str, box_score: float,
                    points: np.ndarray, scores: np.ndarray, spread: np.ndarray) -> PosePrediction:
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
