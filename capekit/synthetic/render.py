"""Draws scenes: a cluttered background, figures made of limbs, panels and part looks, occluders, light, noise."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .appearance import COLOURS, SHAPES, SPRITE, TEXTURES, TILE, Appearance, Paint, sprite, tile

OVERSAMPLING = 2
"""Scenes are drawn this much larger and averaged down."""


@dataclass
class Figure:
    """An object in the image. Points are (N, 2) image pixels, the first of them its keypoints."""

    points: np.ndarray
    present: np.ndarray
    """(N,) bool; parts and looks of absent points are left out."""
    depth: np.ndarray
    """(N,) larger is nearer, in units of the object's size."""
    unit: float
    """Pixels per unit of the appearance's widths and sizes."""
    roll: float
    """Rotation of the object in the image, radians."""
    appearance: Appearance


class Canvas:
    """RGBA pixels, RGB multiplied by alpha, and a map of what covers what."""

    def __init__(self, width: int, height: int):
        self.pixels = np.zeros((height, width, 4), np.uint8)
        self.cover = np.zeros((height, width), np.int32)
        """The number of the last limb, panel or occluder drawn over each pixel; looks cover nothing."""

    def _window(self, low: np.ndarray, high: np.ndarray) -> tuple:
        height, width = self.cover.shape
        x0, y0 = np.maximum(np.floor(low).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(high).astype(int) + 2, (width, height))
        return x0, y0, x1, y1

    def fill(self, outline: np.ndarray, paint: np.ndarray, number: int) -> None:
        """Fill a polygon (P, 2) with `paint`: a colour (3,) or an image of the canvas's size (H, W, 3)."""
        x0, y0, x1, y1 = self._window(outline.min(0), outline.max(0))
        if x0 >= x1 or y0 >= y1:
            return
        corners = np.round((outline - (x0, y0)) * 16).astype(np.int32)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [corners], (255,), cv2.LINE_AA, 4)
        window = self.pixels[y0:y1, x0:x1]
        weight = cv2.merge([mask] * 4)
        source = np.empty_like(window)
        source[..., :3] = paint if paint.ndim == 1 else paint[y0:y1, x0:x1]
        source[..., 3] = 255
        mixed = cv2.multiply(source, weight, scale=1 / 255)
        kept = cv2.multiply(window, 255 - weight, scale=1 / 255)
        window[...] = cv2.add(mixed, kept)
        self.cover[y0:y1, x0:x1][mask > 127] = number

    def stamp(self, image: np.ndarray, centre: np.ndarray, diameter: float, angle: float, gain: float = 1.0) -> None:
        """Put a sprite, rotated by `angle` radians, around a point."""
        reach = diameter * 0.75
        x0, y0, x1, y1 = self._window(centre - reach, centre + reach)
        if x0 >= x1 or y0 >= y1:
            return
        cos, sin = np.cos(angle) * SPRITE / diameter, np.sin(angle) * SPRITE / diameter
        dx, dy = x0 - centre[0], y0 - centre[1]
        matrix = np.array(
            [[cos, sin, cos * dx + sin * dy + (SPRITE - 1) / 2], [-sin, cos, -sin * dx + cos * dy + (SPRITE - 1) / 2]]
        )
        turned = cv2.warpAffine(
            image, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        window = self.pixels[y0:y1, x0:x1]
        kept = cv2.multiply(window, 255 - cv2.merge([turned[..., 3]] * 4), scale=1 / 255)
        if gain != 1.0:
            gains: Any = (gain, gain, gain, 1.0)  # a scalar to OpenCV, which its stubs leave out
            turned = cv2.multiply(turned, gains)
            turned[..., :3] = np.minimum(turned[..., :3], turned[..., 3:])
        window[...] = cv2.add(turned, kept)


def round_corners(outline: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Cut the corners of a closed polygon (P, 2) `rounds` times."""
    for _ in range(rounds):
        following = np.roll(outline, -1, 0)
        outline = np.stack([outline * 0.8 + following * 0.2, outline * 0.2 + following * 0.8], 1).reshape(-1, 2)
    return outline


def capsule(start: np.ndarray, end: np.ndarray, start_width: float, end_width: float) -> np.ndarray:
    """(P, 2) outline of a limb with round ends between two points."""
    along = np.arctan2(end[1] - start[1], end[0] - start[0])
    turn = np.linspace(np.pi / 2, 3 * np.pi / 2, 7) + along
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    return np.concatenate([start + circle * start_width / 2, end - circle * end_width / 2])


def texture_sheet(paint: Paint, width: int, height: int, centre: tuple, angle: float, zoom: float) -> np.ndarray:
    """(H, W, 3) or (3,) uint8: a paint around `centre`, rotated by `angle`, `zoom` canvas pixels per tile pixel."""
    first, second = COLOURS[paint.first].astype(np.float32), COLOURS[paint.second].astype(np.float32)
    if paint.texture == 'plain':
        return COLOURS[paint.first]
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    x, y = centre
    matrix = np.array([[cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]])
    amount = cv2.warpAffine(
        tile(paint.texture),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    mix = np.linspace(0, 0.75, 256, dtype=np.float32)[:, None]
    table = (first * (1 - mix) + second * mix).astype(np.uint8)
    return cv2.merge([cv2.LUT(amount, np.ascontiguousarray(table[:, c])) for c in range(3)])


def draw_figure(canvas: Canvas, figure: Figure, rng: np.random.Generator) -> np.ndarray:
    """Draw limbs, panels and looks from far to near; returns (K,) the number that each look was drawn after."""
    appearance, points, scale = figure.appearance, figure.points * OVERSAMPLING, figure.unit * OVERSAMPLING
    height, width = canvas.cover.shape
    zoom = max(scale / TILE / 1.3, 0.2)
    centre = points[figure.present].mean(0) + rng.uniform(-0.2, 0.2, 2) * scale
    sheets = [
        texture_sheet(paint, width, height, centre, figure.roll + rng.uniform(-0.1, 0.1), zoom)
        for paint in appearance.paints
    ]
    gains = rng.uniform(0.86, 1.08, len(appearance.looks))
    drawn = np.zeros(len(appearance.looks), int)
    keys = [float(figure.depth[list(part.points)].mean()) + part.depth for part in appearance.parts]
    nearest = figure.depth[: len(appearance.looks)].copy()
    heading = np.full(len(appearance.looks), figure.roll)
    for key, part in zip(keys, appearance.parts, strict=True):
        for k in part.points:
            if k < len(nearest):
                nearest[k] = max(nearest[k], key)
        if part.widths and part.points[1] < len(heading):
            dx, dy = points[part.points[1]] - points[part.points[0]]
            heading[part.points[1]] = np.arctan2(dy, dx) + np.pi / 2
    order = sorted([(key, 0, n) for n, key in enumerate(keys)] + [(key + 1e-3, 1, k) for k, key in enumerate(nearest)])
    line = max(0.012 * scale, 1.2)
    number = int(canvas.cover.max())
    for _, is_look, n in order:
        if is_look:
            drawn[n] = number
            if figure.present[n]:
                look = appearance.looks[n]
                canvas.stamp(
                    sprite(look.shape, look.first, look.second),
                    points[n],
                    max(look.size * scale, 4.0),
                    heading[n],
                    gains[n],
                )
            continue
        part = appearance.parts[n]
        if not figure.present[list(part.points)].all():
            continue
        number += 1
        paint = appearance.paints[part.paint]
        dark = (COLOURS[paint.first] * 0.42).astype(np.uint8)
        corners = points[list(part.points)]
        if part.widths:
            first, last = (max(w * scale, 2.0) for w in part.widths)
            start, end = corners
            canvas.fill(capsule(start, end, first + 2 * line, last + 2 * line), dark, number)
            canvas.fill(capsule(start, end, first, last), sheets[part.paint], number)
        else:
            outline = round_corners(corners)
            middle = outline.mean(0)
            canvas.fill(
                outline
                + (outline - middle) / np.maximum(np.linalg.norm(outline - middle, axis=1, keepdims=True), 1) * line,
                dark,
                number,
            )
            canvas.fill(outline, sheets[part.paint], number)
    return drawn


def _blob(rng: np.random.Generator, x: float, y: float, radius: float) -> np.ndarray:
    """(P, 2) a rounded, irregular outline."""
    count = int(rng.integers(4, 8))
    turn = np.sort(rng.uniform(0, 2 * np.pi, count))
    reach = radius * rng.uniform(0.6, 1.2, count)
    return round_corners(np.stack([x + np.cos(turn) * reach, y + np.sin(turn) * reach], 1))


def scatter(
    canvas: Canvas, rng: np.random.Generator, count: int, size: float, centres: np.ndarray, number: int, looks: float
) -> None:
    """Draw `count` things in the paints and looks of objects: a share `looks` of them looks, the rest limbs and blobs.

    `size` is in canvas pixels; `centres` (count, 2).
    """
    height, width = canvas.cover.shape
    for x, y in centres[:count]:
        first, second = (int(c) for c in rng.choice(len(COLOURS), 2, replace=False))
        if rng.random() < looks:
            canvas.stamp(
                sprite(str(rng.choice(list(SHAPES))), first, second),
                np.array([x, y]),
                size * rng.uniform(0.14, 0.3),
                rng.uniform(-np.pi, np.pi),
                rng.uniform(0.8, 1.1),
            )
            continue
        radius = size * rng.uniform(0.12, 0.3)
        if rng.random() < 0.5:
            turn = rng.uniform(-np.pi, np.pi)
            away = np.array([np.cos(turn), np.sin(turn)]) * radius * 1.5
            outline = capsule(np.array([x, y]) - away, np.array([x, y]) + away, radius * 0.5, radius * 0.4)
        else:
            outline = _blob(rng, x, y, radius)
        paint = Paint(first, second, str(rng.choice(TEXTURES)))
        sheet = texture_sheet(paint, width, height, (x, y), rng.uniform(-np.pi, np.pi), max(size / TILE / 1.3, 0.2))
        canvas.fill(outline + (outline - (x, y)) * 0.08, (COLOURS[first] * 0.42).astype(np.uint8), number)
        canvas.fill(outline, sheet, number)


def background(width: int, height: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: a soft mix of muted colours, sometimes textured, strewn with limbs, blobs and stray looks."""
    first, second = rng.choice(len(COLOURS), 2, replace=False)
    grey = rng.uniform(90, 190)
    ends = COLOURS[[first, second]].astype(np.float32) * 0.45 + grey * 0.55
    cells = cv2.resize(rng.random((5, 6), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    ground = np.clip(ends[0] * (1 - cells) + ends[1] * cells, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        sheet = texture_sheet(
            Paint(int(first), int(second), str(rng.choice(TEXTURES[1:]))),
            width,
            height,
            (width / 2, height / 2),
            rng.uniform(-np.pi, np.pi),
            max(size / TILE * rng.uniform(0.5, 2), 0.2),
        )
        ground = cv2.addWeighted(ground, 0.75, sheet, 0.25, 0)
    clutter = Canvas(width, height)
    count = int(rng.integers(4, 13))
    scatter(clutter, rng, count, size, rng.random((count, 2)) * (width, height), 1, 0.45)
    mixed = over(clutter.pixels, ground)
    blur = rng.uniform(0, 2.5)
    return cv2.GaussianBlur(mixed, (0, 0), blur) if blur > 0.6 else mixed


def over(layer: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Lay (H, W, 4) premultiplied pixels over (H, W, 3)."""
    kept = cv2.multiply(ground, 255 - cv2.merge([layer[..., 3]] * 3), scale=1 / 255)
    return cv2.add(kept, np.ascontiguousarray(layer[..., :3]))


def emboss(layer: np.ndarray, size: float, light: np.ndarray) -> np.ndarray:
    """Shade a layer as if its silhouette bulged towards the viewer, lit from direction `light` (2,)."""
    soft = cv2.GaussianBlur(layer[..., 3], (0, 0), max(size * 0.035, 1.0)).astype(np.float32)
    slope = cv2.Sobel(soft, cv2.CV_32F, 1, 0) * light[0] + cv2.Sobel(soft, cv2.CV_32F, 0, 1) * light[1]
    shade = np.clip(1 - slope * (0.0011 * size * 0.035), 0.6, 1.25)
    lit = layer.copy()
    lit[..., :3] = np.minimum(layer[..., :3] * shade[..., None], layer[..., 3:])
    return lit


def photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light falling from one side, a cast shadow, a colour cast, gamma, blur and noise."""
    height, width = image.shape[:2]
    turn = rng.uniform(-np.pi, np.pi)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    light = 1 + np.float32(rng.uniform(0, 0.28)) * (
        np.float32(np.cos(turn)) * x[None] + np.float32(np.sin(turn)) * y[:, None]
    )
    if rng.random() < 0.3:
        shadow = np.zeros((height, width), np.uint8)
        side = max(width, height)
        band = capsule(
            rng.random(2) * (width, height),
            rng.random(2) * (width, height),
            side * rng.uniform(0.2, 0.5),
            side * rng.uniform(0.2, 0.5),
        )
        cv2.fillPoly(shadow, [np.round(band).astype(np.int32)], (255,))
        light *= 1 - cv2.GaussianBlur(shadow, (0, 0), side * 0.02).astype(np.float32) * np.float32(
            rng.uniform(0.2, 0.4) / 255
        )
    gains = rng.uniform(0.88, 1.1, 3) * rng.uniform(0.85, 1.1)
    gamma = rng.uniform(0.85, 1.2)
    tones = np.linspace(0, 1, 256)
    for c in range(3):
        table = np.clip(255 * gains[c] * tones**gamma, 0, 255).astype(np.uint8)
        image[..., c] = cv2.LUT(np.ascontiguousarray(image[..., c]), table)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.35, 0.8))
    noise = rng.normal(0, rng.uniform(1, 5), (height, width)).astype(np.float32)[..., None]
    return np.clip(image * light[..., None] + noise, 0, 255).astype(np.uint8)


@dataclass
class Scene:
    """A drawn image and what can be seen of its figures."""

    image: np.ndarray
    """(height, width, 3) uint8 RGB."""
    visible: list
    """Per figure (K,) bool: inside the image and not covered by a part or an occluder."""
    boxes: list
    """Per figure [x, y, width, height] of its silhouette, occluded parts included."""
    areas: list
    """Per figure the pixels of its silhouette."""


def draw_scene(width: int, height: int, figures: list, rng: np.random.Generator, occluders: bool = True) -> Scene:
    """Draw figures over a background; every random choice comes from `rng`."""
    wide, high = width * OVERSAMPLING, height * OVERSAMPLING
    size = float(np.mean([figure.unit for figure in figures])) * OVERSAMPLING if figures else max(wide, high) * 0.6
    image = background(wide, high, size, rng)
    layers, drawn, boxes, areas = [], [], [], []
    turn = rng.uniform(-np.pi, np.pi)
    light = np.array([np.cos(turn), np.sin(turn)])
    number = 0
    covers = np.zeros((high, wide), np.int32)
    for figure in figures:
        canvas = Canvas(wide, high)
        drawn.append(draw_figure(canvas, figure, rng) + number)
        covers = np.where(canvas.cover > 0, canvas.cover + number, covers)
        number = int(covers.max())
        layers.append(canvas.pixels)
        x, y, w, h = cv2.boundingRect((canvas.pixels[..., 3] > 127).astype(np.uint8))
        boxes.append([x / OVERSAMPLING, y / OVERSAMPLING, w / OVERSAMPLING, h / OVERSAMPLING])
        areas.append(int((canvas.pixels[..., 3] > 127).sum()) / OVERSAMPLING**2)
    for layer in layers:
        shift = light * size * 0.03
        shadow = cv2.warpAffine(layer[..., 3], np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (wide, high))
        shadow = cv2.GaussianBlur(shadow, (0, 0), max(size * 0.015, 0.8))
        image = cv2.multiply(image, 255 - cv2.merge([shadow // 5 * 2] * 3), scale=1 / 255)
        image = over(emboss(layer, size, light), image)
    if occluders and figures:
        front = Canvas(wide, high)
        count = int(rng.integers(0, 4))
        middle = figures[0].points[figures[0].present].mean(0) * OVERSAMPLING
        scatter(front, rng, count, size * 0.75, middle + rng.normal(0, 0.33, (count, 2)) * size, 1, 0.0)
        covers[front.cover > 0] = number + 1
        image = over(front.pixels, image)
    visible = [_seen(covers, figure, after) for figure, after in zip(figures, drawn, strict=True)]
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return Scene(photograph(small, rng), visible, boxes, areas)


def _seen(covers: np.ndarray, figure: Figure, drawn: np.ndarray) -> np.ndarray:
    """(K,) bool: half of a small disc around the keypoint is inside the image and not covered by anything later."""
    height, width = covers.shape
    turn = np.arange(9) * (2 * np.pi / 8)
    spokes = np.stack([np.cos(turn), np.sin(turn)], 1)
    spokes[8] = 0
    count = len(figure.appearance.looks)
    sizes = np.array([look.size for look in figure.appearance.looks]) * figure.unit * 0.35
    places = np.floor((figure.points[:count, None] + spokes * sizes[:, None, None]) * OVERSAMPLING).astype(int)
    inside = np.all((places >= 0) & (places < (width, height)), -1)
    x, y = np.clip(places[..., 0], 0, width - 1), np.clip(places[..., 1], 0, height - 1)
    free = (covers[y, x] <= drawn[:, None]) & inside
    return (free.mean(1) >= 0.5) & inside[:, 8] & figure.present[:count]
