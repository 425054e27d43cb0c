"""What generated parts look like: one palette, one set of textures and one set of part looks for all categories.

A category picks from them; a look seen in training appears on parts of other categories, so that matching by look can
be learned and transferred. All colours are RGB.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

COLOURS = np.array(
    [
        (214, 48, 49),
        (240, 130, 30),
        (245, 214, 60),
        (140, 198, 62),
        (28, 122, 62),
        (34, 170, 160),
        (108, 196, 240),
        (38, 78, 190),
        (122, 72, 184),
        (240, 130, 180),
        (128, 78, 42),
        (242, 238, 226),
        (36, 36, 42),
        (214, 178, 132),
    ],
    np.uint8,
)
"""(14, 3) red, orange, yellow, lime, green, teal, sky, blue, violet, pink, brown, white, black, tan."""

SPRITE = 64
"""Side of a look's image, pixels."""
TILE = 128
"""Side of a texture's tile, pixels; tiles repeat without a seam."""
TEXTURES = ('plain', 'stripes', 'bands', 'dots', 'checks', 'patches', 'grain')


@dataclass(frozen=True)
class Look:
    """The look of a keypoint: a shape of `SHAPES` in two colours of the palette."""

    shape: str
    first: int
    second: int
    size: float
    """Diameter as a fraction of the object's longest side."""


@dataclass(frozen=True)
class Paint:
    """What fills a limb or a panel: two colours of the palette mixed by a texture."""

    first: int
    second: int
    texture: str


@dataclass(frozen=True)
class Part:
    """A limb (two points, two widths) or a panel (a polygon of points, no widths) of an object."""

    points: tuple
    widths: tuple = ()
    """Full widths at both ends, as a fraction of the object's longest side."""
    paint: int = 0
    depth: float = 0.0
    """Added to the mean depth of its points; nearer parts are drawn later."""


@dataclass(frozen=True)
class Appearance:
    """All that a renderer needs to draw an object with known points. The first len(looks) points are keypoints."""

    parts: tuple
    paints: tuple
    looks: tuple


def _polygon(radius: float, corners: int, turn: float = 0.0, inner: float = 1.0) -> np.ndarray:
    """(corners, 2) int32 around the origin; every other corner at `inner` times the radius makes a star."""
    angle = np.arange(corners) * (2 * np.pi / corners) + turn - np.pi / 2
    reach = radius * np.where(np.arange(corners) % 2, inner, 1.0)
    return np.stack([np.cos(angle) * reach, np.sin(angle) * reach], 1)


class _Pen:
    """Draws one look around the centre, four times too large; y points down, the part's tip is up."""

    def __init__(self, first: tuple, second: tuple):
        self.side = SPRITE * 4
        self.canvas = np.zeros((self.side, self.side, 4), np.uint8)
        self.first, self.second = first, second

    def polygon(self, corners: np.ndarray, colour: tuple) -> None:
        points = np.round(np.asarray(corners) * self.side / 2 + self.side / 2).astype(np.int32)
        cv2.fillPoly(self.canvas, [points], (*colour, 255))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: tuple) -> None:
        centre = tuple(int(round((v + 1) * self.side / 2)) for v in (x, y))
        cv2.ellipse(
            self.canvas, centre, (round(rx * self.side / 2), round(ry * self.side / 2)), 0, 0, 360, (*colour, 255), -1
        )

    def disc(self, x: float, y: float, radius: float, colour: tuple) -> None:
        self.ellipse(x, y, radius, radius, colour)

    def inside_disc(self, radius: float, mask: np.ndarray, colour: tuple) -> None:
        """Colour the pixels of `mask` (side, side) bool that lie within `radius` of the centre."""
        x, y = self.grid()
        self.canvas[mask & (x * x + y * y < radius * radius)] = (*colour, 255)

    def grid(self) -> tuple:
        axis = (np.arange(self.side) + 0.5) / self.side * 2 - 1
        return tuple(np.meshgrid(axis, axis))


DARK, LIGHT = (26, 24, 30), (250, 250, 246)


def _disc(pen):
    pen.disc(0, 0, 0.94, DARK)
    pen.disc(0, 0, 0.82, pen.first)
    pen.disc(0.1, -0.1, 0.3, pen.second)


def _ring(pen):
    pen.disc(0, 0, 0.95, pen.first)
    pen.disc(0, 0, 0.58, pen.second)
    pen.disc(0, 0, 0.2, pen.first)


def _eye(pen):
    pen.ellipse(0, 0, 0.98, 0.72, pen.second)
    pen.ellipse(0, 0, 0.84, 0.56, LIGHT)
    pen.disc(0, 0, 0.5, pen.first)
    pen.disc(0, 0, 0.24, DARK)
    pen.disc(0.18, -0.2, 0.12, LIGHT)


def _wheel(pen):
    pen.disc(0, 0, 0.97, DARK)
    pen.disc(0, 0, 0.68, pen.first)
    for turn in range(3):
        axis = np.array([np.cos(turn * np.pi / 3), np.sin(turn * np.pi / 3)])
        side = np.array([-axis[1], axis[0]]) * 0.09
        pen.polygon([axis * 0.66 + side, axis * 0.66 - side, -axis * 0.66 - side, -axis * 0.66 + side], pen.second)
    pen.disc(0, 0, 0.24, pen.second)


def _paw(pen):
    pen.ellipse(0, 0.2, 0.78, 0.72, DARK)
    pen.ellipse(0, 0.2, 0.68, 0.62, pen.first)
    for x, y in ((-0.55, -0.45), (0, -0.66), (0.55, -0.45)):
        pen.disc(x, y, 0.31, DARK)
        pen.disc(x, y, 0.23, pen.second)


def _nail(pen):
    pen.ellipse(0, 0.1, 0.7, 0.85, pen.first)
    pen.ellipse(0, -0.3, 0.5, 0.6, DARK)
    pen.ellipse(0, -0.32, 0.42, 0.52, pen.second)


def _ear(pen):
    pen.polygon([(-0.85, 0.8), (0, -0.98), (0.85, 0.8)], DARK)
    pen.polygon([(-0.7, 0.7), (0, -0.75), (0.7, 0.7)], pen.first)
    pen.polygon([(-0.36, 0.55), (0, -0.25), (0.36, 0.55)], pen.second)


def _button(pen):
    pen.disc(0, 0, 0.94, DARK)
    pen.disc(0, 0, 0.84, pen.first)
    for x, y in ((-0.3, -0.3), (0.3, -0.3), (-0.3, 0.3), (0.3, 0.3)):
        pen.disc(x, y, 0.19, pen.second)


def _lamp(pen):
    pen.polygon(_polygon(1.0, 4, np.pi / 4) * 0.98, DARK)
    pen.polygon(_polygon(1.0, 4, np.pi / 4) * 0.84, pen.first)
    pen.polygon([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5)], pen.second)


def _star(pen):
    pen.disc(0, 0, 0.92, pen.second)
    pen.polygon(_polygon(0.9, 10, inner=0.42), pen.first)


def _stripes(pen):
    x, y = pen.grid()
    pen.disc(0, 0, 0.94, pen.first)
    pen.inside_disc(0.94, np.abs((y * 1.5) % 1 - 0.5) < 0.25, pen.second)


def _half(pen):
    x, y = pen.grid()
    pen.disc(0, 0, 0.94, DARK)
    pen.disc(0, 0, 0.84, pen.first)
    pen.inside_disc(0.84, y > 0, pen.second)


def _checker(pen):
    x, y = pen.grid()
    pen.disc(0, 0, 0.95, pen.first)
    pen.inside_disc(0.95, (x > 0) ^ (y > 0), pen.second)


def _cross(pen):
    x, y = pen.grid()
    pen.disc(0, 0, 0.94, pen.first)
    pen.inside_disc(0.8, (np.abs(x) < 0.2) | (np.abs(y) < 0.2), pen.second)


def _diamond(pen):
    pen.polygon(_polygon(0.98, 4), pen.second)
    pen.polygon(_polygon(0.66, 4), pen.first)
    pen.disc(0, 0, 0.2, pen.second)


def _flower(pen):
    for x, y in _polygon(0.58, 5):
        pen.disc(x, y, 0.4, pen.first)
    pen.disc(0, 0, 0.36, pen.second)


SHAPES = dict(
    disc=_disc,
    ring=_ring,
    eye=_eye,
    wheel=_wheel,
    paw=_paw,
    nail=_nail,
    ear=_ear,
    button=_button,
    lamp=_lamp,
    star=_star,
    stripes=_stripes,
    half=_half,
    checker=_checker,
    cross=_cross,
    diamond=_diamond,
    flower=_flower,
)


@lru_cache(maxsize=4096)
def sprite(shape: str, first: int, second: int) -> np.ndarray:
    """(SPRITE, SPRITE, 4) uint8 image of a look: RGB premultiplied by alpha, and alpha. Do not write to it."""
    pen = _Pen(tuple(COLOURS[first].tolist()), tuple(COLOURS[second].tolist()))
    SHAPES[shape](pen)
    return cv2.resize(pen.canvas, (SPRITE, SPRITE), interpolation=cv2.INTER_AREA)


@cache
def tile(texture: str) -> np.ndarray:
    """(TILE, TILE) uint8: how much of a paint's second colour shows, 0 to 255. Do not write to it."""
    y, x = np.mgrid[:TILE, :TILE] / TILE
    rng = np.random.default_rng(TEXTURES.index(texture))
    field: np.ndarray
    if texture == 'plain':
        field = np.zeros((TILE, TILE))
    elif texture == 'stripes':
        field = np.sin(x * 2 * np.pi * 8) > 0.3
    elif texture == 'bands':
        field = np.sin((x + y) * 2 * np.pi * 4) > 0
    elif texture == 'dots':
        field = ((x * 8) % 1 - 0.5) ** 2 + ((y * 8) % 1 - 0.5) ** 2 < 0.075
    elif texture == 'checks':
        field = ((x * 6).astype(int) + (y * 6).astype(int)) % 2
    else:
        coarse = rng.random((16, 16) if texture == 'patches' else (64, 64))
        smooth = cv2.resize(np.tile(coarse, (3, 3)), (3 * TILE, 3 * TILE), interpolation=cv2.INTER_CUBIC)
        smooth = smooth[TILE : 2 * TILE, TILE : 2 * TILE]
        field = smooth > 0.58 if texture == 'patches' else smooth * 0.6
    return np.clip(np.asarray(field, np.float64) * 255, 0, 255).astype(np.uint8)


def choose_looks(rng: np.random.Generator, shapes: list, sizes: np.ndarray, taken: set, twins: dict) -> tuple:
    """Looks of K keypoints.

    `shapes[k]` are the names to choose from; `taken` are the colours of the body, not used as a look's first colour;
    `twins[k]` is an earlier keypoint whose look is shared. The others differ in their pair of colours (up to about a
    hundred of them).
    """
    free = [colour for colour in range(len(COLOURS)) if colour not in taken]
    order: list = []
    looks: list[Look] = []
    used: set[tuple[int, int]] = set()
    for k, names in enumerate(shapes):
        if k in twins:
            looks.append(looks[twins[k]])
            continue
        if not order:
            order = list(rng.permutation(free))
        if len(used) > 8 * len(free):
            used.clear()
        first = int(order.pop())
        while True:
            second = int(rng.integers(len(COLOURS)))
            if second != first and (first, second) not in used:
                break
        used.add((first, second))
        looks.append(Look(str(rng.choice(names)), first, second, float(sizes[k])))
    return tuple(looks)


def choose_paints(rng: np.random.Generator, count: int) -> tuple:
    """Paints with different first colours; about half of them are textured in a second colour."""
    colours = rng.permutation(len(COLOURS))
    paints = []
    for n in range(count):
        texture = 'plain' if rng.random() < 0.4 else str(rng.choice(TEXTURES[1:]))
        second = int(colours[count + n])
        paints.append(Paint(int(colours[n]), second, texture))
    return tuple(paints)
