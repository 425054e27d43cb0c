"""Images with their predictions: a sheet of the worst and of random ones, and every image by itself."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from capekit.errors import printable
from capekit.files import atomic_write
from capekit.labelling.crops import cut
from capekit.labelling.records import PosePrediction
from capekit.visualization.panels import draw_keypoints

COLUMNS, ROWS = 6, 2
PANEL = 320
"""Side of a panel's crop in pixels."""
WIDER = 1.3
"""The crops show so much more than the box."""
Read = Callable[[Sequence[PosePrediction]], list[np.ndarray | None]]


def contact_sheet(path: Path, ranked: Sequence[PosePrediction], read: Read, links: Sequence, seed: int = 0) -> None:
    """Two rows of the worst, and two of others drawn at random.

    Args:
        path: JPEG to write.
        ranked: predictions, the worst first.
        read: predictions -> their images (H, W, 3) uint8 RGB, None where one is gone.
        links: (E, 2) pairs of keypoints.
        seed: of the random ones.
    """
    from matplotlib.figure import Figure  # heavy: imported only where used
    count = COLUMNS * ROWS
    worst, rest = ranked[:count], ranked[count:]
    places = sorted(np.random.default_rng(seed).permutation(len(rest))[:count].tolist())
    chosen = [worst, [rest[i] for i in places]]
    images = iter(read([prediction for panels in chosen for prediction in panels]))
    rows = [panels[start:start + COLUMNS] for panels in chosen for start in range(0, len(panels), COLUMNS)]
    if not rows:
        return
    figure = Figure(figsize=(2.4 * COLUMNS, 2.7 * len(rows)))
    grid = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for panel in axes:
            panel.axis('off')
        for panel, prediction in zip(axes, row, strict=False):
            _draw_crop(panel, prediction, next(images), links)
    figure.tight_layout(pad=0.4)
    with atomic_write(path) as file:
        figure.savefig(file, format='jpg', dpi=100)


def _draw_crop(axes, prediction: PosePrediction, image: np.ndarray | None, links: Sequence) -> None:
    name = prediction.image if prediction.frame is None else f'frame {prediction.frame}'
    title = f'{prediction.rank}: {name[-28:]}'
    if image is None:
        axes.set_title(printable(title), fontsize=7, parse_math=False)
        return
    x, y, w, h = prediction.box
    side = WIDER * max(w, h)
    box = np.array([x + (w - side) / 2, y + (h - side) / 2, side, side])
    crop, matrix = cut(image, box, PANEL)
    points = prediction.points @ matrix[:, :2].T + matrix[:, 2]
    draw_keypoints(axes, crop, points, np.isfinite(points).all(1), links, title)


def draw_image(path: Path, image: np.ndarray, predictions: Sequence[PosePrediction], links: Sequence) -> None:
    """An image with all its animals, in its own pixels, as JPEG."""
    from matplotlib.figure import Figure  # heavy: imported only where used
    height, width = image.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    for prediction in predictions:
        draw_keypoints(axes, image, prediction.points, np.isfinite(prediction.points).all(1), links, '')
    if not predictions:
        axes.imshow(image)
    with atomic_write(path) as file:
        figure.savefig(file, format='jpg')
