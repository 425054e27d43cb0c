"""Frames in order: who is who, smoothing beside the raw points, and jumps."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from capekit.errors import CapekitError
from capekit.labelling.boxes import iou
from capekit.labelling.records import PosePrediction

JUMP = 0.2
"""A keypoint farther from its median over `AROUND` frames than this many longest box sides has jumped."""
AROUND = 5
LEAST_OVERLAP = 0.05


def follow(frames: Iterable[list[PosePrediction]]) -> Iterator[list[PosePrediction]]:
    """Number animals so that one keeps its number: matched to where each was last seen, by the overlap of boxes."""
    last: dict[int, np.ndarray] = {}
    for predictions in frames:
        if not predictions:
            yield predictions
            continue
        boxes = np.stack([prediction.box for prediction in predictions])
        numbers: dict[int, int] = {}
        if last:
            overlap = iou(boxes, np.stack(list(last.values())))
            for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
                if overlap[i, j] >= LEAST_OVERLAP:
                    numbers[int(i)] = list(last)[j]
        for i, prediction in enumerate(predictions):
            if i not in numbers:
                # Where there has only been one animal there is nobody to confuse it with.
                numbers[i] = 0 if len(predictions) == len(last) == 1 else len(last)
            prediction.animal = numbers[i]
            last[numbers[i]] = prediction.box
        yield sorted(predictions, key=lambda prediction: prediction.animal)


def parse_smooth(text: str | None) -> int:
    """'median:5' -> 5 frames; None -> 0.

    Raises:
        CapekitError: anything else.
    """
    if text is None:
        return 0
    kind, _, width = text.partition(':')
    if kind != 'median' or not width.isdigit() or int(width) % 2 == 0 or int(width) < 3:
        raise CapekitError(f'smooth={text!r}: valid is median:N with an odd number of frames N from 3, as in median:5')
    return int(width)


def smoothed(predictions: list[PosePrediction], width: int) -> list[PosePrediction]:
    """Copies with the median of `width` successive frames of the same animal in place of each point."""
    result: list[PosePrediction] = []
    for track in _tracks(predictions):
        medians = _running_median(np.stack([prediction.points for prediction in track]), width)
        result += [replace(prediction, points=points) for prediction, points in zip(track, medians, strict=True)]
    order = {(p.frame, p.animal): place for place, p in enumerate(predictions)}
    return sorted(result, key=lambda p: order[p.frame, p.animal])


def flag_jumps(predictions: list[PosePrediction]) -> None:
    """Add the reason 'jump of <number> keypoints' to predictions that leave the course of their animal."""
    for track in _tracks(predictions):
        points = np.stack([prediction.points for prediction in track])
        off = np.linalg.norm(points - _running_median(points, AROUND), axis=-1)
        for prediction, distance in zip(track, off, strict=True):
            jumped = int((distance > JUMP * max(prediction.box[2:])).sum())
            if jumped:
                prediction.reasons.append(f'jump of {jumped} keypoint{"s" if jumped > 1 else ""}')


def _tracks(predictions: list[PosePrediction]) -> list[list[PosePrediction]]:
    tracks: dict[int, list] = {}
    for prediction in predictions:
        tracks.setdefault(prediction.animal, []).append(prediction)
    return [sorted(track, key=lambda p: p.frame or 0) for track in tracks.values()]


def _running_median(points: np.ndarray, width: int) -> np.ndarray:
    """(T, K, 2) -> the same, over `width` rows, fewer at the ends."""
    half = width // 2
    return np.stack([np.median(points[max(0, t - half):t + half + 1], 0) for t in range(len(points))])
