"""Label a few images, get the keypoints of all others."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from capekit.apis.init import init_estimator
from capekit.errors import CapekitError
from capekit.labelling import fitting, sources, store, video
from capekit.labelling.adapted import AdaptedModel, Budget
from capekit.labelling.boxes import BoxFinder
from capekit.labelling.calibration import Calibration
from capekit.labelling.estimated import EstimatorModel
from capekit.labelling.lite import LiteFeatures
from capekit.labelling.matcher import FrozenModel
from capekit.labelling.poses import Poses
from capekit.labelling.predictor import Boxes, Predictor
from capekit.labelling.records import FitReport, Labelled, PosePrediction
from capekit.labelling.refine import Hull
from capekit.labelling.suggest import Suggestion, suggest
from capekit.labelling.supports import read_labelled

LEFT_OUT_SHARE = 0.5
"""Of the adaptation budget, for each network that is trained without some supports."""


class CapeInferencer:
    """Keypoints of images like those that a person has labelled.

    Without `config`: ImageNet features of EfficientNet-Lite0, from the package that the extra `lite` installs, and a
    head that learns on the supports; with `adapt_seconds=0` or a single support, the features are matched as they are.

    Args:
        config: of any method; its estimator is fine-tuned on the supports and given them.
        checkpoint: of that config.
        device: such as 'cpu', 'cuda:0'.
        batch_size: crops answered at once.

    Raises:
        CapekitError: a checkpoint without a config, or as `init_estimator`.
    """

    def __init__(self, config: str | Path | Config | None = None, checkpoint: str | None = None, device: str = 'cpu',
                 batch_size: int = 16):
        if config is None and checkpoint is not None:
            raise CapekitError(f'checkpoint {checkpoint}: name its config too')
        if batch_size < 1:
            raise CapekitError(f'batch_size={batch_size} must be 1 or more')
        self.estimator = None if config is None else init_estimator(config, checkpoint, device)
        self.device, self.batch_size = device, batch_size
        self.images: Path | None = None
        self.predictor: Predictor | None = None
        self.settings: dict[str, Any] = {}

    def fit(self, labelled: str | Path | Labelled, images: str | Path | None = None, adapt_seconds: float = 60,
            seed: int = 0, adapt_steps: int | None = None, category: str | None = None,
            progress: Callable[[str, float], None] | None = None) -> FitReport:
        """Learn from labelled images, and measure on each of them what the others teach.

        The errors of the report come from up to five more models, each trained without some of the supports and with
        half the budget.

        Args:
            labelled: COCO keypoint file with one category, whose file names are relative to `images`, or a label file
                of another tool, see `capekit.labelling.supports.read_labelled`.
            images: folder, pattern or video; None = the folder of `labelled`.
            adapt_seconds: longest time for training on the supports, 200 steps a minute at most; 0 = no training.
            seed: of every random draw.
            adapt_steps: number of steps instead of a time: the same model on every machine.
            category: of a COCO file with labels of several.
            progress: is called with what is being done and the share done; an exception from it ends the fit.

        Raises:
            CapekitError: an unusable file or image, a negative time.
        """
        if adapt_seconds < 0 or not math.isfinite(adapt_seconds):
            raise CapekitError(f'adapt_seconds={adapt_seconds} must be 0 or more')
        if not isinstance(labelled, Labelled):
            self.images = sources.folder_of(Path(labelled).parent if images is None else images)
            labelled = read_labelled(labelled, self.images, category=category)
        budget = Budget(adapt_steps) if adapt_steps else Budget.of_seconds(adapt_seconds) if adapt_seconds else None
        return self.set_support(labelled, budget, seed, progress or (lambda what, share: None))

    def set_support(self, labelled: Labelled, budget: Budget | None, seed: int,
                    progress: Callable[[str, float], None]) -> FitReport:
        """As `fit`, from supports in memory."""
        started = time.monotonic()
        if self.estimator is None and len(labelled.supports) < 2:
            budget = None
        part = budget and budget.share(LEFT_OUT_SHARE)
        spreads, errors = fitting.leave_out(lambda: self.make_model(part, seed), labelled, self.batch_size,
                                            lambda share: progress('checking', share))
        calibration = Calibration()
        calibration.add(spreads, errors)
        model = self.make_model(budget, seed)
        model.set_support(labelled, lambda share: progress('adapting', share))
        finder = BoxFinder(self.device, self._features)
        progress('learning to find boxes', 0.0)
        finder.fit(labelled, seed)
        self.predictor = Predictor(model, finder, Hull.of(labelled), calibration, Poses.of(labelled),
                                   self.batch_size)
        left_out = len(fitting.groups(labelled))
        how = f'{left_out} models without some of the supports' if left_out else 'not measured: one labelled image'
        if left_out and model.steps:
            how += ', half the steps each'
        report = FitReport(model.name, len(labelled.supports), model.steps, time.monotonic() - started,
                           fitting.report_keypoints(labelled, errors), calibration.calibrated, how)
        self.settings = dict(category=labelled.category, names=list(labelled.names), links=labelled.links.tolist(),
                             model=model.name, seed=seed, report=report.as_dict(),
                             labelled=sorted({support.name for support in labelled.supports}))
        return report

    def make_model(self, budget: Budget | None, seed: int):
        """A model without supports; a budget of None trains nothing."""
        if self.estimator is not None:
            return EstimatorModel(self.estimator, budget, seed)
        if budget is None:
            return FrozenModel(self.device, self._features)
        return AdaptedModel(self.device, self._features, budget, seed)

    @cached_property
    def _features(self) -> LiteFeatures:
        """Never trained."""
        return LiteFeatures().to(self.device)

    def predict(self, images: str | Path | Sequence, boxes: Boxes = None, animals: int = 1) -> Iterator[PosePrediction]:
        """The keypoints of images, in order; a broken image is logged and left out.

        Args:
            images: folder, pattern, path, or a list of paths or of arrays (H, W, 3) uint8 RGB, called '0', '1', ...
            boxes: None to find them, 'whole' for the whole image, {image name: [[x, y, w, h], ...]}, or a function
                of an image that returns such boxes.
            animals: how many to find in an image at most.

        Raises:
            CapekitError: nothing is fitted or loaded, no images, an array of another shape or type, unusable boxes.
        """
        for group in self._fitted().predict(_pictures(images), boxes, animals):
            for picture, predictions in group:
                if picture.fault:
                    print_log(picture.fault, 'current', logging.WARNING)
                yield from predictions

    def predict_video(self, path: str | Path, stride: int = 1, boxes: Boxes = None, smooth: str | None = None,
                      animals: int = 1) -> Iterator[PosePrediction]:
        """The keypoints of every `stride`-th frame of a video.

        Args:
            path: of the video.
            stride: frames from one prediction to the next.
            boxes: as in `predict`; a dict has the video's file name as its key.
            smooth: None, or 'median:N' for the median of N successive frames; predictions come when all are made.
            animals: as in `predict`.
        """
        width = video.parse_smooth(smooth)
        groups = self._fitted().predict(sources.read_frames(path, stride), boxes, animals)
        frames = video.follow(predictions for group in groups for _, predictions in group)
        if not width:
            for predictions in frames:
                yield from predictions
            return
        together = [prediction for predictions in frames for prediction in predictions]
        video.flag_jumps(together)
        yield from video.smoothed(together, width)

    def suggest(self, predictions: Sequence[PosePrediction], n: int, images: str | Path | None = None,
                seed: int = 0) -> list[Suggestion]:
        """What to label next: uncertain and diverse, and a random fifth for an honest accuracy.

        Args:
            predictions: of images that are not labelled.
            n: number of images.
            images: folder of the images; None = that of `fit`.
            seed: of the random share.
        """
        folder = self.images if images is None else sources.folder_of(images)

        def read(prediction: PosePrediction) -> np.ndarray | None:
            if folder is None or prediction.frame is not None:
                return None
            return next(sources.read_pictures([prediction.image], folder)).image
        return suggest(predictions, n, read, seed)

    def calibrate(self, predictions: Sequence[PosePrediction], corrected: Labelled) -> None:
        """Learn expected errors from corrections as well.

        Args:
            predictions: as they were before the corrections.
            corrected: the same images as a person left them; the support nearest to a predicted box is its truth.
        """
        calibration = self._fitted().calibration
        for prediction in predictions:
            same = [support for support in corrected.supports if support.name == prediction.image]
            if same:
                truth = min(same, key=lambda support: float(np.abs(support.box - prediction.box).sum()))
                errors = np.linalg.norm(prediction.points - truth.points, axis=1) / max(prediction.box[2:])
                calibration.add(prediction.spread[truth.visible], errors[truth.visible])

    def save(self, path: str | Path) -> None:
        """Write everything that `predict` needs to one file, whole or not at all.

        Raises:
            CapekitError: nothing is fitted, or the file cannot be written.
        """
        predictor = self._fitted()
        assert predictor.finder is not None  # `fit` makes one
        import torch
        parts = dict(model=predictor.model.state(), finder=predictor.finder.tensors,
                     calibration=dict(spreads=torch.from_numpy(predictor.calibration.spreads),
                                      errors=torch.from_numpy(predictor.calibration.errors)),
                     hull=dict(margins=torch.from_numpy(predictor.hull.margins)),
                     poses=dict(points=torch.from_numpy(predictor.poses.points)))
        store.write_model(path, {f'{part}/{name}': value for part, tensors in parts.items()
                                 for name, value in tensors.items()}, self.settings)

    def load(self, path: str | Path) -> 'CapeInferencer':
        """Take what `save` wrote, and return self; of a config's model, the inferencer must have the same config.

        Raises:
            CapekitError: no such file, damaged, or of another method.
        """
        tensors, settings = store.read_model(path)
        parts: dict[str, dict] = {}
        for name, value in tensors.items():
            part, _, key = name.partition('/')
            parts.setdefault(part, {})[key] = value
        budget = None if settings['model'] == FrozenModel.name else Budget(1)
        model = self.make_model(budget, settings['seed'])
        if model.name != settings['model']:
            raise CapekitError(f"model {path} is of {settings['model']!r}, this inferencer of {model.name!r}; give the "
                               'config that it was fitted with')
        try:
            model.restore(parts['model'], len(settings['names']))
        except RuntimeError as error:
            raise CapekitError(f'model {path} has other parameters than this inferencer: '
                               f'{str(error).splitlines()[0]}') from None
        finder = BoxFinder(self.device, self._features)
        finder.tensors = {name: value.to(self.device) for name, value in parts['finder'].items()}
        known = {name: value.numpy() for name, value in parts['calibration'].items()}
        self.predictor = Predictor(model, finder, Hull(parts['hull']['margins'].numpy()), Calibration(**known),
                                   Poses(parts['poses']['points'].numpy()), self.batch_size)
        self.settings = settings
        return self

    def _fitted(self) -> Predictor:
        if self.predictor is None:
            raise CapekitError('CapeInferencer: call fit or load first')
        return self.predictor


def _pictures(images: Any) -> Iterator[sources.Picture]:
    """What `predict` was given, one by one."""
    if isinstance(images, (str, Path)):
        return sources.read_pictures(sources.list_images(images), sources.folder_of(images))
    if isinstance(images, np.ndarray) and images.ndim < 4 and images.dtype.kind not in 'OUS':
        raise CapekitError(f'images: one array of shape {images.shape}; give a list, [image]')
    if not np.iterable(images):
        raise CapekitError(f'images={images!r}: expected a folder, pattern, path, or a list of paths or arrays')
    return (_picture(number, item) for number, item in enumerate(images))


def _picture(number: int, item: Any) -> sources.Picture:
    """An image of a list."""
    if isinstance(item, (str, os.PathLike)):
        return next(sources.read_pictures([str(item)], ''))
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim == 3 and item.shape[2] == 3 and item.size:
        return sources.Picture(str(number), None, item)
    what = f'a {type(item).__name__}'
    if isinstance(item, np.ndarray):
        what = f'an array of shape {item.shape}, {item.dtype}'
    raise CapekitError(f'images[{number}]: {what}; expected a path or an array (H, W, 3) uint8 RGB')
