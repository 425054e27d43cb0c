"""From images and boxes to predictions; boxes that are not given are found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from capekit.errors import CapekitError
from capekit.labelling.boxes import BoxFinder
from capekit.labelling.calibration import Calibration
from capekit.labelling.consensus import Answer, agree
from capekit.labelling.crops import PLAIN
from capekit.labelling.poses import Poses
from capekit.labelling.records import PosePrediction
from capekit.labelling.refine import Hull
from capekit.labelling.sources import Picture
from capekit.labelling.views import VIEWS, answer_boxes, answer_views

PER_ANIMAL, SPARE = 4, 4
"""So many windows are looked into for each animal that is asked for, and so many more."""
Boxes = str | dict[str, Sequence] | Callable[[np.ndarray], Sequence] | None


class Predictor:
    """Answers pictures with a model that has its supports.

    Args:
        model: with `size` and `answer`.
        finder: of boxes; None if boxes are always given.
        hull: how boxes surround keypoints.
        calibration: of expected errors.
        poses: of the supports; keypoints that none shows are not predicted.
        batch_size: crops answered at once.
    """

    def __init__(self, model, finder: BoxFinder | None, hull: Hull, calibration: Calibration, poses: Poses,
                 batch_size: int):
        self.model, self.finder, self.hull, self.calibration = model, finder, hull, calibration
        self.poses, self.seen, self.batch_size = poses, poses.seen, batch_size

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
        source = where_from(boxes)
        while group := list(islice(pictures, self.together)):
            answers = [[] if picture.image is None else self._find(picture.image, animals) for picture in group] \
                if source == 'found' else self._answer(group, boxes)
            yield [(picture, [self._prediction(picture, number, one, source) for number, one in enumerate(own)])
                   for picture, own in zip(group, answers, strict=True)]

    def _answer(self, group: list[Picture], boxes: Boxes) -> list[list[Answer]]:
        """The answers in boxes that are not to be found, picture by picture."""
        chosen = [[] if picture.image is None else _given(picture, boxes) for picture in group]
        wanted = [(picture.image, box) for picture, own in zip(group, chosen, strict=True)
                  if picture.image is not None for box in own]
        answers = iter(answer_boxes(self.model, wanted, self.batch_size))
        return [[Answer(box, 1.0, *next(answers)) for box in own] for own in chosen]

    def _find(self, image: np.ndarray, animals: int) -> list[Answer]:
        """Boxes in two passes: each is replaced by the one around the keypoints that are predicted in it.

        Those that show the same animal are answered together.
        """
        if self.finder is None:
            raise CapekitError("boxes: none are given, and nothing has learned to find them; call fit, or give 'whole'")
        found = self.finder.find(image, PER_ANIMAL * animals + SPARE)
        points, scores = answer_views(self.model, [(image, box, PLAIN) for box, _ in found], self.batch_size)
        boxes = [self.hull.refine(box, own[self.seen], sure[self.seen])
                 for (box, _), own, sure in zip(found, points, scores, strict=True)]
        answers = answer_boxes(self.model, [(image, box) for box in boxes], self.batch_size)
        return agree([Answer(box, score, *answer) for box, (_, score), answer in
                      zip(boxes, found, answers, strict=True)], animals, self.seen)

    def _prediction(self, picture: Picture, number: int, answer: Answer, source: str) -> PosePrediction:
        points, spread = (np.where(self.seen[:, None], answer.points, np.nan),
                          np.where(self.seen, answer.spread, np.nan))
        side = max(answer.box[2:])
        return PosePrediction(picture.name, picture.frame, number, answer.box, points,
                              np.where(self.seen, answer.scores, 0.0), self.calibration.expect(spread) * side,
                              box_from=source, box_score=answer.box_score, spread=spread,
                              misfit=self.poses.misfit(points, side))


def where_from(boxes: Boxes) -> str:
    """`PosePrediction.box_from` of what `predict` takes."""
    if boxes is None or boxes == 'find':
        return 'found'
    return 'whole' if boxes == 'whole' else 'detector' if callable(boxes) else 'given'


def _given(picture: Picture, boxes: Boxes) -> list[np.ndarray]:
    """The boxes (4,) of a picture that are not to be found."""
    assert picture.image is not None
    if boxes == 'whole':
        height, width = picture.image.shape[:2]
        return [np.array([0.0, 0.0, width, height])]
    assert boxes is not None and not isinstance(boxes, str)  # `check_boxes` knows no other
    own = boxes(picture.image) if callable(boxes) else boxes.get(picture.name, ())
    if not np.iterable(own):
        raise CapekitError(f'{picture.name}: boxes {own!r}; expected [[x, y, width, height], ...]')
    return [check_box(box, picture.name) for box in own]


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
    try:
        values = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: a tensor that has a gradient
        values = np.zeros(0)
    if values.shape != (4,) or not np.isfinite(values).all() or min(values[2:]) <= 0:
        raise CapekitError(f'{name}: box {box!r}; expected [x, y, width, height] with a width and height above 0')
    return values
