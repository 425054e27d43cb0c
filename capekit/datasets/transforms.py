"""Augmentation of training crops: a list of transforms, each of which draws from the random generator of its image.

First every transform draws its geometry, in list order, then every transform its pixels: the geometry is the same
whatever colour changes follow. A new transform subclasses `Transform` with `@TRANSFORMS.register_module()`.
"""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from capekit.choices import Ascending, Fraction, Range, Share, checked
from capekit.errors import CapekitError
from capekit.registry import TRANSFORMS


@dataclass(frozen=True)
class Geometry:
    """How the square that a crop shows is changed; keypoints follow."""

    scale: float = 1.0
    """Factor of the side."""
    rotation: float = 0.0
    """Degrees, around the square's centre."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Of the centre in image x and y, in sides of the unchanged square."""

    def then(self, other: 'Geometry') -> 'Geometry':
        """Both combined: scales multiply, rotations and shifts add."""
        return Geometry(self.scale * other.scale, self.rotation + other.rotation,
                        (self.shift[0] + other.shift[0], self.shift[1] + other.shift[1]))


class Transform:
    """Changes nothing; a subclass overrides one method or both.

    All random numbers come from `rng`, so that an image's augmentation is a function of its seed alone.
    """

    def geometry(self, rng: np.random.Generator) -> Geometry:
        """How the square changes before it is cut out."""
        return Geometry()

    def pixels(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB crop -> the same; nothing in it may move, because the keypoints do not."""
        return image


@TRANSFORMS.register_module()
class ScaleRotation(Transform):
    """Random scale and rotation of the square; the defaults are the released models'.

    Args:
        scale: the side is multiplied by 1 + scale * N(0, 1), clipped to 1 -+ scale; from 0 to below 1.
        rotation: degrees; the angle is rotation * N(0, 1), clipped to -+ twice `rotation` ...
        rotation_prob: ... and applied with this probability.

    Raises:
        CapekitError: a setting out of its range.
    """

    @checked
    def __init__(self, scale: Annotated[float, Range(low=0, below=1)] = 0.15,
                 rotation: Annotated[float, Range(low=0, high=180)] = 15.0, rotation_prob: Share = 0.6):
        self.scale, self.rotation, self.rotation_prob = scale, rotation, rotation_prob

    def geometry(self, rng: np.random.Generator) -> Geometry:
        """Always draws three numbers from `rng`."""
        factor = np.clip(1 + self.scale * rng.standard_normal(), 1 - self.scale, 1 + self.scale)
        angle = np.clip(self.rotation * rng.standard_normal(), -2 * self.rotation, 2 * self.rotation)
        return Geometry(float(factor), float(angle) if rng.random() < self.rotation_prob else 0.0)


@TRANSFORMS.register_module()
class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue in random order: torchvision's `ColorJitter`, drawn from `rng`.

    Args:
        brightness, contrast, saturation: their factors are uniform in 1 -+ the setting; from 0 to 1.
        hue: the hue is shifted by a uniform fraction of the colour circle, -hue to hue; from 0 to 0.5.

    Raises:
        CapekitError: a setting out of its range.
    """

    @checked
    def __init__(self, brightness: Share = 0.0, contrast: Share = 0.0, saturation: Share = 0.0,
                 hue: Annotated[float, Range(low=0, high=0.5)] = 0.0):
        self.changes = ((functional.adjust_brightness, 1, brightness), (functional.adjust_contrast, 1, contrast),
                        (functional.adjust_saturation, 1, saturation), (functional.adjust_hue, 0, hue))

    def pixels(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(image).permute(2, 0, 1)
        for number in rng.permutation(len(self.changes)):
            adjust, middle, width = self.changes[number]
            amount = rng.uniform(middle - width, middle + width)
            if width:
                tensor = adjust(tensor, amount)
        return tensor.permute(1, 2, 0).contiguous().numpy()


@TRANSFORMS.register_module()
class RandomErasing(Transform):
    """Hides a rectangle of the crop behind one random colour, as another object would; its keypoints keep their labels.

    Args:
        prob: probability of hiding anything.
        area: smallest and largest hidden fraction of the crop; the aspect ratio of the rectangle is 0.3 to 3.3, as in
            torchvision's transform of that name.

    Raises:
        CapekitError: a setting out of its range.
    """

    @checked
    def __init__(self, prob: Share = 0.5, area: Annotated[Sequence[Fraction], Ascending(2, equal=True)] = (0.02, 0.2)):
        self.prob, (self.least, self.most) = prob, area

    def pixels(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        if rng.random() >= self.prob:
            return image
        height, width = image.shape[:2]
        area = rng.uniform(self.least, self.most) * height * width
        ratio = math.exp(rng.uniform(math.log(0.3), math.log(3.3)))
        h, w = min(round(math.sqrt(area * ratio)), height), min(round(math.sqrt(area / ratio)), width)
        top, left = rng.integers(height - h, endpoint=True), rng.integers(width - w, endpoint=True)
        colour = torch.from_numpy(rng.integers(256, size=(3, 1, 1), dtype=np.uint8))
        erased = functional.erase(torch.from_numpy(image).permute(2, 0, 1), int(top), int(left), h, w, colour)
        return erased.permute(1, 2, 0).contiguous().numpy()


class Augmentation:
    """Applies transforms in order.

    Args:
        transforms: configs of `TRANSFORMS`, or transforms; a dict without a type holds the settings of `ScaleRotation`
            alone, the released augmentation.

    Raises:
        CapekitError: an unknown type or setting, or something that is not a transform.
    """

    def __init__(self, transforms: dict | Sequence):
        if isinstance(transforms, dict):
            transforms = [{'type': 'ScaleRotation', **transforms}]
        self.transforms = [_build(transform) for transform in transforms]

    def geometry(self, rng: np.random.Generator) -> Geometry:
        """The geometry of all transforms, drawn in order."""
        total = Geometry()
        for transform in self.transforms:
            total = total.then(transform.geometry(rng))
        return total

    def pixels(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """The crop after all transforms, drawn and applied in order."""
        for transform in self.transforms:
            image = transform.pixels(rng, image)
        return image


def _build(transform):
    if isinstance(transform, dict):
        options = dict(transform)
        name = options.pop('type', None)
        target = TRANSFORMS.get(name) if isinstance(name, str) else name
        if target is None:
            raise CapekitError(f'augment: {name!r} is not a known transform; valid: '
                               f'{", ".join(sorted(TRANSFORMS.module_dict))}')
        signature = inspect.signature(target)
        try:
            signature.bind(**options)
        except TypeError as error:
            raise CapekitError(f'augment: {target.__name__}: {error}; valid: '
                               f'{", ".join(signature.parameters)}') from None
        transform = target(**options)
    if not isinstance(transform, Transform):
        raise CapekitError(f'augment: {type(transform).__name__} is not a transform: it must be a subclass of '
                           'capekit.datasets.Transform')
    return transform
